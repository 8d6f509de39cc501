"""The packages of a missing Docker Engine are chosen by os-release, apt's sources and what apt knows."""

import pytest

from stackcli.common.errors import EngineError
from stackcli.machine.apt import find_debian_uri, parse_os_release
from stackcli.machine.engine import Engine, describe, is_at_least
from stackcli.machine.install_plan import PIN_FILE, SOURCE_FILE, plan_install

BOOKWORM = parse_os_release('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_CODENAME=bookworm\n')
TRIXIE = {"ID": "debian", "VERSION_CODENAME": "trixie"}
NOBLE = {"ID": "ubuntu", "VERSION_CODENAME": "noble"}
SOURCES = (
    "Types: deb\n# a note\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
)
WORKING = Engine(server="26.1.5+dfsg1", compose="2.26.1-4", buildx="v0.13.1", dockerd="/usr/sbin/dockerd", error="")


def knows(*packages: str) -> "frozenset[str]":
    return frozenset(packages)


def test_bookworm_takes_trixies_engine_from_its_own_mirror_pinned_low() -> None:
    plan = plan_install(BOOKWORM, SOURCES, knows().__contains__)
    assert {"docker.io/trixie", "docker-cli/trixie", "docker-buildx/trixie", "docker-compose/trixie"} < set(
        plan.packages
    )
    assert "URIs: http://mirror.example/debian\nSuites: trixie\n" in plan.files[SOURCE_FILE]
    assert "Pin-Priority: 100" in plan.files[PIN_FILE]


def test_bookworm_without_a_debian_source_is_refused() -> None:
    with pytest.raises(EngineError, match="a Debian source for bookworm"):
        plan_install(BOOKWORM, "", knows().__contains__)


def test_trixie_takes_its_own_packages() -> None:
    plan = plan_install(TRIXIE, "", knows("docker-cli", "docker-compose").__contains__)
    assert not plan.files
    assert plan.packages == [
        "docker.io",
        "docker-cli",
        "iptables",
        "docker-buildx",
        "docker-compose",
        "ca-certificates",
    ]


def test_ubuntu_takes_the_second_compose_and_not_the_first() -> None:
    plan = plan_install(NOBLE, "", knows("docker-compose-v2", "docker-compose").__contains__)
    assert "docker-compose-v2" in plan.packages
    assert "docker-compose" not in plan.packages


def test_an_engine_that_is_there_is_left_alone_and_gets_its_missing_plugins() -> None:
    plan = plan_install(NOBLE, "", knows("docker-compose-plugin").__contains__, has_engine=True)
    assert plan.packages == ["docker-compose-plugin", "docker-buildx-plugin"]
    plan = plan_install(BOOKWORM, SOURCES, knows().__contains__, has_engine=True)
    assert not [package for package in plan.packages if package.startswith(("docker.io", "docker-cli"))]


@pytest.mark.parametrize("plan_for", [BOOKWORM, TRIXIE, NOBLE], ids=lambda release: release["VERSION_CODENAME"])
def test_an_install_never_removes_a_package(plan_for: dict[str, str]) -> None:
    assert "--no-remove" in plan_install(plan_for, SOURCES, knows().__contains__).commands[-1]


@pytest.mark.parametrize(
    "release", [{"ID": "fedora", "PRETTY_NAME": "Fedora 44"}, {"ID": "debian", "VERSION_CODENAME": "bullseye"}, {}]
)
def test_another_system_is_refused_with_where_to_read_on(release: dict[str, str]) -> None:
    with pytest.raises(EngineError, match=r"Debian 12\+ or Ubuntu 22.04\+.*docs.docker.com"):
        plan_install(release, "", knows().__contains__)


@pytest.mark.parametrize(
    "sources",
    [
        SOURCES,
        "deb http://mirror.example/debian bookworm main\n",
        "deb [signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian bookworm main contrib\n",
        "deb https://other.example/apt other main\n\n" + SOURCES,
    ],
)
def test_the_machines_mirror_is_found_in_either_format(sources: str) -> None:
    assert find_debian_uri(sources, "bookworm") == "http://mirror.example/debian"


def test_no_mirror_is_made_up() -> None:
    assert find_debian_uri("deb https://other.example/apt cloud-sdk-bookworm main\n", "bookworm") is None


@pytest.mark.parametrize(
    ("version", "enough"), [("26.1.5+dfsg1", True), ("23.0.0", True), ("20.10.24", False), ("v23.1", True), ("", False)]
)
def test_engine_versions_are_compared_as_numbers(version: str, enough: bool) -> None:
    assert is_at_least(version, (23, 0)) is enough


def test_a_bare_client_counts_as_no_engine() -> None:
    client_only = Engine(server="", compose="", buildx="", dockerd="", error="Cannot connect to the Docker daemon")
    assert client_only.needs_install
    assert describe(client_only) == "no Docker Engine"


def test_an_engine_without_compose_is_completed_and_a_stopped_one_only_started() -> None:
    assert Engine("26.1", "", "v0.13", "/usr/sbin/dockerd", "").needs_install
    assert not Engine("", "2.26.1", "v0.13", "/usr/sbin/dockerd", "Cannot connect").needs_install


def test_a_working_engine_needs_nothing() -> None:
    assert WORKING.is_usable
    assert not WORKING.needs_install
