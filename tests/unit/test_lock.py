"""`scripts/stack lock`: what it resolves, from which index, and what it says and writes."""

import re
import sys
from pathlib import Path

import pytest

from checks.files import FILES
from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.paths import ROOT
from stackcli.lock import run
from stackcli.lock.files import Lock, all_locks, chosen_locks
from stackcli.lock.indexes import uv_environment
from stackcli.lock.pins import changes_between
from stackcli.machine.registries import Secrets

PINS = "# Pinned from requirements.in: so\none==1.0 \\\n    --hash=sha256:aa\n    # via -r requirements.in\n"
NEWER = PINS.replace("1.0", "1.1").replace("aa", "bb")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one locked file, and in uv's place a program that answers what `uv.txt` holds."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/requirements.in").write_text("one\n")
    (tmp_path / "repo/requirements.txt").write_text(PINS)
    program = tmp_path / "uv"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\n. {tmp_path}/behave; cat {tmp_path}/uv.txt >"${{last#*=}}"\n')
    program.chmod(0o755)
    (tmp_path / "behave").write_text(f'echo "$@" >{tmp_path}/asked\n')
    monkeypatch.setattr(run, "ROOT", tmp_path / "repo")
    locks = [Lock("requirements.in", "3.9", ("torch",), ("other.txt",))]
    monkeypatch.setattr(run, "all_locks", lambda: locks)
    monkeypatch.setattr(run, "chosen_locks", lambda files: locks)
    monkeypatch.setattr(run, "install_packages", lambda name: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return tmp_path


def answer(repository: Path, text: str) -> str:
    """What the file holds after a run in which uv answers with `text`, which has no header."""
    (repository / "uv.txt").write_text(text.split("\n", 1)[1])
    run.lock_and_tell([], check=False, upgrade=False)
    return (repository / "repo/requirements.txt").read_text()


def test_every_pinned_file_of_the_repository_is_locked_and_no_other() -> None:
    committed = {
        str(file.relative_to(ROOT)) for file in FILES if re.fullmatch(r"(requirements|torch-).*\.txt", file.name)
    }
    assert {lock.target for lock in all_locks()} == committed
    sources = {str(file.relative_to(ROOT)) for file in FILES if file.suffix == ".in"}
    assert {lock.source for lock in all_locks()} == sources - {run.SHARED}


@pytest.mark.parametrize("lock", all_locks(), ids=lambda lock: lock.target)
def test_what_a_file_says_of_its_making_is_how_it_is_made(lock: Lock) -> None:
    text = (ROOT / lock.target).read_text()
    for said in re.findall(r"--python-version (\S+)", text):
        assert said == lock.python
    if "uv pip compile" in text:
        for name in ("torch", "openvino-telemetry"):
            assert (f"{name} ; sys_platform == 'never'" in text) == (name in lock.without)
        assert set(re.findall(r" -c (\S+) requirements.in", text)) == set(lock.constraints)


@pytest.mark.parametrize("lock", all_locks(), ids=lambda lock: lock.target)
def test_no_pinned_file_names_an_index_or_holds_a_pin_without_hashes(lock: Lock) -> None:
    text = (ROOT / lock.target).read_text()
    assert "://" not in text
    assert "--index-url" not in text
    pins = re.findall(r"^[A-Za-z0-9].*$", text, re.MULTILINE)
    assert pins
    assert all(pin.endswith(" \\") for pin in pins)


def test_a_file_is_named_by_either_of_its_names() -> None:
    chosen = chosen_locks([str(ROOT / "docker/edge/requirements.in"), str(ROOT / "scripts/requirements.txt")])
    assert [lock.source for lock in chosen] == ["scripts/requirements.in", "docker/edge/requirements.in"]
    with pytest.raises(ConfigError, match=r"expected a file of pinned requirements, found README\.md; try one such as"):
        chosen_locks([str(ROOT / "README.md")])


def test_uv_asks_the_index_that_pip_asks_and_no_address_is_an_argument(repository: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("ca_bundle", "pip_conf", "npmrc", "apt_conf")}
    files["ca_bundle"].write_text("a certificate\n")
    conf = "[global]\nindex-url = https://me:50%25off@one.example/simple\nextra-index-url = https://two.example\n    https://three.example\n"
    files["pip_conf"].write_text(conf)
    environment = uv_environment(Secrets(**files), {"PATH": "/bin", "UV_DEFAULT_INDEX": "https://other.example"})
    assert environment["UV_DEFAULT_INDEX"] == "https://me:50%25off@one.example/simple"
    assert environment["UV_INDEX"] == "https://two.example https://three.example"
    assert environment["SSL_CERT_FILE"] == str(files["ca_bundle"])
    answer(repository, PINS)
    assert "://" not in (repository / "asked").read_text()


def test_the_resolver_is_told_the_oldest_python_what_is_left_out_and_what_constrains(repository: Path) -> None:
    answer(repository, PINS)
    asked = (repository / "asked").read_text()
    for option in ("--universal", "--generate-hashes", "--python-version=3.9", "--constraint=other.txt", "--override="):
        assert option in asked
    assert "--upgrade" not in asked


def test_a_changed_pin_is_written_below_the_header_that_was_there(repository: Path) -> None:
    assert answer(repository, NEWER) == NEWER


def test_a_changed_comment_alone_writes_nothing(repository: Path) -> None:
    """An image is built again when a file in it changes."""
    assert answer(repository, PINS.replace("via -r", "via")) == PINS


def test_check_says_what_would_change_and_writes_nothing(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "uv.txt").write_text(NEWER.split("\n", 1)[1])
    assert run.lock_and_tell([], check=True, upgrade=False) == 1
    assert "one: 1.0 → 1.1" in capsys.readouterr().out
    assert (repository / "repo/requirements.txt").read_text() == PINS


def test_requirements_that_cannot_be_met_are_said_in_the_resolvers_words(repository: Path) -> None:
    (repository / "behave").write_text('echo "no solution: one needs two" >&2; exit 1\n')
    with pytest.raises(BuildError, match=r"pins for requirements\.in, found no solution: one needs two; try"):
        run.lock_and_tell([], check=False, upgrade=False)
    assert (repository / "repo/requirements.txt").read_text() == PINS


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (PINS, []),
        (NEWER, ["one: 1.0 → 1.1"]),
        (PINS.replace("aa", "bb"), ["the same versions with other hashes"]),
        (PINS + "two==2.0 ; python_full_version < '3.10' \\\n", ["two: none → 2.0 ; python_full_version < '3.10'"]),
        ("", ["one: 1.0 → none"]),
    ],
)
def test_what_differs_is_said_package_by_package(after: str, said: list[str]) -> None:
    assert changes_between(PINS, after) == said
