"""Builds reach the package registries as this machine does, without what exists only on this machine."""

import stat
from pathlib import Path

import pytest

from stackcli.common.files import write_if_changed
from stackcli.machine.registries import (
    is_reachable_from_a_container,
    render_apt_conf,
    render_npmrc,
    render_pip_conf,
    write_secrets,
)


@pytest.mark.parametrize(
    ("url", "reachable"),
    [
        ("https://pypi.example/simple", True),
        ("http://user:pass@proxy.example:3128", True),
        ("proxy.example:3128", True),
        ("file:///opt/pypi/simple", False),
        ("/opt/wheels", False),
        ("http://localhost:3141/simple", False),
        ("http://127.0.0.1:8080", False),
        ("localhost:3128", False),
    ],
)
def test_files_and_loopback_are_not_reachable_from_a_container(url: str, reachable: bool) -> None:
    assert is_reachable_from_a_container(url) is reachable


def test_pip_conf_keeps_indexes_and_drops_what_lies_in_files() -> None:
    listed = (
        "global.cert='/etc/ssl/ca.crt'\nglobal.constraint='/etc/constraints.txt'\nglobal.find-links='/opt/wheels'\n"
        "global.index-url='https://pypi.example/simple'\n"
        "user.extra-index-url='file:///opt/pypi https://more.example/simple'\n:env:.default-timeout='180'\n"
    )
    assert render_pip_conf(listed, {}, ca=True) == (
        "[global]\ncert = /run/secrets/ca_bundle\ndisable-pip-version-check = true\n"
        "index-url = https://pypi.example/simple\nextra-index-url = https://more.example/simple\ntimeout = 180\n"
    )


def test_pip_conf_takes_the_later_source_as_pip_does() -> None:
    listed = "global.index-url='https://a.example'\nuser.index-url='https://b.example'\n"
    assert "index-url = https://b.example\n" in render_pip_conf(listed, {}, ca=False)


def test_pip_conf_names_no_certificate_where_there_is_none() -> None:
    assert "cert" not in render_pip_conf("", {}, ca=False)


def test_pip_conf_takes_the_environments_proxy_unless_it_is_on_this_machine() -> None:
    assert "proxy = http://proxy.example:3128\n" in render_pip_conf(
        "", {"https_proxy": "http://proxy.example:3128"}, False
    )
    assert "proxy" not in render_pip_conf("", {"https_proxy": "http://localhost:3128"}, False)


def test_npmrc_keeps_registry_and_its_token_and_drops_the_rest() -> None:
    npmrc = "fund=false\nregistry=https://npm.example/\n//npm.example/:_authToken=secret\ncafile=/etc/ca\nproxy=http://localhost:1\n"
    assert render_npmrc(npmrc, {}, ca=True) == (
        "cafile=/run/secrets/ca_bundle\nregistry=https://npm.example/\n//npm.example/:_authToken=secret\n"
    )


def test_npmrc_takes_the_environment_over_the_file() -> None:
    rendered = render_npmrc("registry=https://a.example/\n", {"npm_config_registry": "https://b.example/"}, ca=False)
    assert rendered == "registry=https://b.example/\n"


def test_apt_conf_keeps_proxies_and_checks_only() -> None:
    dump = (
        'Acquire "";\nAcquire::Check-Valid-Until "false";\nAcquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::https::Proxy "http://127.0.0.1:3142";\nAcquire::Languages "none";\nAPT::Architecture "amd64";\n'
    )
    assert render_apt_conf(dump) == (
        'Acquire::Check-Valid-Until "false";\nAcquire::http::Proxy "http://proxy.example:3142";\n'
    )


def test_nothing_configured_writes_files_that_configure_nothing(tmp_path: Path) -> None:
    assert render_npmrc("", {}, ca=False) == render_apt_conf("") == ""


def test_the_secrets_of_this_machine_are_written_for_the_containers_user_only(tmp_path: Path) -> None:
    secrets = write_secrets({}, tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == dict.fromkeys(
        ("ca_bundle", "pip_conf", "npmrc", "apt_conf"), 0o644
    )
    assert secrets.environment["STACK_PIP_CONF"] == str(tmp_path / "secrets" / "pip_conf")
    assert "file:" not in secrets.pip_conf.read_text()


def test_an_unchanged_secret_is_not_written_again(tmp_path: Path) -> None:
    file = write_if_changed(tmp_path / "pip_conf", "a")
    before = file.stat()
    assert write_if_changed(file, "a").stat() == before
