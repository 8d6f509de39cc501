"""The edge routes to the versions that every TorchServe has loaded, and reloads once per change."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

import pytest

from conftest import record
from supervisor import __main__ as supervisor
from supervisor.haproxy import HAProxy
from supervisor.loaded import PATH, LoadedVersions, Report, common_versions, read_report
from supervisor.render import CONFIG, DATA
from supervisor.server import Server
from supervisor.settings import Settings
from supervisor.torchserves import ask_each

READY, STARTING = True, False
CANARY = {"version": "2.0", "weight": 10}


def report(is_ready: bool = READY, **versions: str) -> Report:
    """Parses models' versions, which are separated by spaces."""
    return Report(is_ready, {name: frozenset(text.split()) for name, text in versions.items()})


@pytest.mark.parametrize(
    ("reports", "common"),
    [
        ([report(m="1.0 2.0", n="1.0")], {"m": {"1.0", "2.0"}, "n": {"1.0"}}),
        ([report(m="1.0 2.0"), report(m="1.0 2.0")], {"m": {"1.0", "2.0"}}),
        ([report(m="1.0 2.0"), report(m="1.0 3.0", n="1.0")], {"m": {"1.0"}}),
        ([report(m="1.0"), report(m="2.0")], {}),
        ([report(m="1.0 2.0"), None], {"m": {"1.0", "2.0"}}),
        ([report(m="1.0 2.0"), report(STARTING, m="1.0")], {"m": {"1.0", "2.0"}}),
        ([report(m="1.0 2.0"), report(STARTING)], {"m": {"1.0", "2.0"}}),
        ([report(m="1.0 2.0"), report(READY)], {"m": {"1.0", "2.0"}}),
        ([report(STARTING, m="1.0 2.0"), report(STARTING, m="1.0"), report(STARTING)], {"m": {"1.0"}}),
        ([report(STARTING)], None),
        ([report(READY), None], None),
        ([None], None),
        ([], None),
    ],
    ids=[
        "one",
        "two alike",
        "two that differ",
        "nothing in common",
        "one does not answer",
        "one is starting",
        "one is starting with nothing yet",
        "one has nothing",
        "all are starting",
        "one that has nothing yet",
        "nothing at all",
        "no answer",
        "no torchserve",
    ],
)
def test_only_what_all_have_counts(reports: Sequence[Any], common: Any) -> None:
    assert common_versions(reports) == common


class World:
    """TorchServes that report what a test sets, and count the requests."""

    def __init__(self) -> None:
        self.reports: Sequence[Any] = []
        self.looks = 0

    def ask(self) -> Sequence[Any]:
        self.looks += 1
        return self.reports


@pytest.fixture
def world() -> World:
    return World()


def test_before_the_first_answer_nothing_is_known_and_afterwards_the_last_holds(world: World) -> None:
    loaded = LoadedVersions(world.ask)
    loaded.look()
    assert loaded.versions is None
    for reports in ([report(m="1.0")], [None], [report(STARTING)], []):
        world.reports = reports
        loaded.look()
        assert loaded.versions == {"m": {"1.0"}}
    world.reports = [report(m="2.0")]
    loaded.look()
    assert loaded.versions == {"m": {"2.0"}}


def test_it_looks_by_itself_and_at_once_when_it_is_told(world: World) -> None:
    loaded = LoadedVersions(world.ask)
    loaded.start()
    loaded.look_now(10)
    world.reports = [report(m="1.0")]
    loaded.look_now(10)
    assert loaded.versions == {"m": {"1.0"}}
    looks, deadline = world.looks, time.monotonic() + 10
    while world.looks < looks + 2 and time.monotonic() < deadline:
        threading.Event().wait(0.05)
    assert world.looks >= looks + 2


def test_a_poll_that_hangs_holds_up_no_caller() -> None:
    over = threading.Event()

    def hang() -> Sequence[Any]:
        over.wait(30)
        return []

    loaded = LoadedVersions(hang)
    loaded.start()
    began = time.monotonic()
    loaded.look_now(0.2)
    assert time.monotonic() - began < 5
    over.set()


@contextmanager
def torchserve(content: bytes) -> Iterator[tuple[str, int]]:
    with Server({PATH: lambda: ("application/json", content)}, ("127.0.0.1", 0)) as server:
        server.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()


def test_a_report_is_read_from_torchserves_own_word() -> None:
    said = {"ready": True, "models": {"m": {"default": "1.0", "versions": ["1.0", "2.0"]}}}
    with torchserve(json.dumps(said).encode()) as address:
        assert read_report(*address) == report(READY, m="1.0 2.0")


@pytest.mark.parametrize(
    "content",
    [
        b'{"status": "Ready"}',
        b'{"ready": true, "models": ["m"]}',
        b'{"ready": true, "models": {"m": ["1.0"]}}',
        b'{"ready": true, "models": {"m": {"versions": 1}}}',
        b'{"models": {}}',
        b"[]",
        b"\xff",
        b"",
    ],
)
def test_another_answer_is_no_report(content: bytes) -> None:
    with torchserve(content) as address:
        assert read_report(*address) is None


def test_each_address_of_a_name_is_asked_and_without_any_nothing_is() -> None:
    assert ask_each("localhost", 8, lambda address: f"asked {address}") == {"127.0.0.1": "asked 127.0.0.1"}
    assert ask_each("no-such-name.invalid", 8, lambda address: address) == {}


@pytest.fixture
def made(settings: Callable[..., Settings], publish: Callable[..., None]) -> Settings:
    """A release whose canary is 2.0, and a model that was never released."""
    releases = {"m": {"stable": "1.0", "deployed": ["1.0", "2.0"], "canary": CANARY}}
    publish(record("m", "2.0"), record("m", "1.0"), record("n"), releases=releases)
    return settings()


def test_a_change_of_what_is_loaded_is_taken_over_once(made: Settings, world: World) -> None:
    loaded = LoadedVersions(world.ask)
    loaded.start()
    seen, has_changed = supervisor.look(made, loaded, supervisor.NOTHING)
    assert has_changed
    supervisor.apply(made, HAProxy(made.run / CONFIG), seen.versions)
    for reports, is_told in (
        ([report(m="1.0 2.0", n="1.0")], False),  # as the files say
        ([report(m="1.0 2.0 7.0", n="1.0", o="1.0")], False),  # and what the files do not contain
        ([report(m="1.0", n="1.0")], True),
        ([report(m="1.0", n="1.0"), report(STARTING)], False),
        ([], False),
        ([report(m="1.0 2.0", n="1.0")], True),
    ):
        world.reports = reports
        loaded.look_now(10)
        seen, has_changed = supervisor.look(made, loaded, seen)
        assert has_changed is is_told, reports
        if has_changed:
            supervisor.apply(made, HAProxy(made.run / CONFIG), seen.versions)
        assert supervisor.look(made, loaded, seen) == (seen, False)


def test_a_file_that_changes_has_torchserve_asked_before_it_is_followed(
    made: Settings, publish: Callable[..., None], world: World
) -> None:
    loaded = LoadedVersions(world.ask)
    loaded.start()
    seen, _ = supervisor.look(made, loaded, supervisor.NOTHING)
    world.reports = [report(m="3.0")]
    publish(record("m", "3.0"))
    seen, has_changed = supervisor.look(made, loaded, seen)
    assert has_changed
    assert seen.versions == {"m": {"3.0"}}


def test_a_damaged_file_is_no_reason_to_change_anything(made: Settings, world: World) -> None:
    loaded = LoadedVersions(world.ask)
    loaded.start()
    (made.store / "manifest.json").write_text("{")
    seen, _ = supervisor.look(made, loaded, supervisor.NOTHING)
    world.reports = [report(m="1.0")]
    loaded.look_now(10)
    _, has_changed = supervisor.look(made, loaded, seen)
    assert not has_changed


def test_page_log_and_routing_agree_on_what_is_loaded(made: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Its release would send some unversioned requests to 2.0, which TorchServe does not have."""
    supervisor.apply(made, HAProxy(made.run / CONFIG), {"m": frozenset({"1.0"})})
    supervisor.announce(made)
    (model,) = json.loads((made.run / DATA).read_text())["models"]
    assert (model["name"], model["stable"], model["canary"]) == ("m", "1.0", None)
    assert [version["version"] for version in model["versions"]] == ["1.0"]
    said = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["routing m to 1.0"]
    assert (made.run / "stable.map").read_text() == "m 1.0\n"
    assert "2.0" not in (made.run / CONFIG).read_text()
