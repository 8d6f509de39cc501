"""Lanes run in parallel, each in one worker and in order; tests that need the machine alone get it."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from lanes import ALONE, WITHOUT_STACK, lane_of
from stackcli.common.paths import ROOT

LANES = {WITHOUT_STACK: ("rest/",), ALONE: ("alone/",), "first": ("first/b", "first/"), "second": ("second/",)}
CONFTEST = """
import os
import pathlib
import pytest
import lanes

lanes.LANES = LANES
machine = lanes.Machine(pathlib.Path("machine"))


def pytest_xdist_make_scheduler(config):
    return lanes.LaneScheduling(config)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: lanes.place_of(item.nodeid))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    with machine.held(item.nodeid, nextitem and nextitem.nodeid):
        note("begin", item)
        result = yield
        note("end", item)
        return result


def note(event, item):
    with open("notes", "a") as file:
        print(os.environ["PYTEST_XDIST_WORKER"], event, item.nodeid, file=file)
""".replace("= LANES", f"= {LANES!r}")
FILES = (
    "alone/test_a.py",
    "rest/test_b.py",
    "rest/test_e.py",
    "first/test_c.py",
    "first/b_test.py",
    "second/test_d.py",
)
TEST = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_a_thing(number):
    assert sum(range(100_000))
"""


@dataclass(frozen=True)
class Note:
    worker: str
    event: str
    test: str

    @property
    def lane(self) -> str:
        return self.test.partition("/")[0]


@pytest.fixture(scope="module", params=[2, 4])
def notes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Note]:
    """What began and ended, in time order, with this many workers."""
    folder = tmp_path_factory.mktemp("lanes")
    (folder / "conftest.py").write_text(CONFTEST)
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"-n{request.param}"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env = {**kept, "PYTHONPATH": str(ROOT / "tests")}
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("30 passed"), ended.stdout
    return [Note(*line.split()) for line in (folder / "notes").read_text().splitlines()]


def test_a_lane_is_one_workers_and_in_order(notes: list[Note]) -> None:
    for lane in ("alone", "first", "second"):
        begun = [note for note in notes if note.event == "begin" and note.lane == lane]
        assert len({note.worker for note in begun}) == 1, begun
    first = [note.test.partition("::")[0] for note in notes if note.event == "begin" and note.lane == "first"]
    assert first == ["first/b_test.py"] * 5 + ["first/test_c.py"] * 5


def test_a_file_of_what_needs_no_stack_is_one_workers(notes: list[Note]) -> None:
    for file in ("rest/test_b.py", "rest/test_e.py"):
        assert len({note.worker for note in notes if note.test.startswith(file)}) == 1


def test_what_is_alone_has_nothing_beside_it_and_comes_before_the_other_lanes(notes: list[Note]) -> None:
    places = [place for place, note in enumerate(notes) if note.lane == "alone"]
    assert {note.lane for note in notes[places[0] : places[-1]]} == {"alone"}
    assert not [note for note in notes[: places[0]] if note.lane in ("first", "second")]


def test_the_longest_beginning_counts_and_every_test_has_a_lane() -> None:
    assert lane_of("tests/checks/test_lanes.py::test_a_lane") == WITHOUT_STACK
    assert lane_of("tests/integration/observe/test_metrics.py::test_a_count[1.0]") == ALONE
    with pytest.raises(AssertionError, match=r"expected a lane for elsewhere/test_x\.py, found none"):
        lane_of("elsewhere/test_x.py")
