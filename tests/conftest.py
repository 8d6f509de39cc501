"""What all tests share: --write-docs, the marks that folders and fixtures give, the lanes, and what took longest."""

import os
from collections import defaultdict
from collections.abc import Generator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from lanes import LaneScheduling, Machine, is_worker, lane_of, place_of, workers_for

TESTS = Path(__file__).parent
MACHINE = Machine(TESTS.parent / ".stack/machine")
NEED_DOCKER = ("containers", "browser", "integration")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="write the pages of docs/ from what this run finds")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if is_worker():
        items.sort(key=lambda item: place_of(item.nodeid))
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in NEED_DOCKER:
            item.add_marker("docker")
        if "write_docs" in getattr(item, "fixturenames", ()):
            item.add_marker("writes_docs")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return workers_for(len(os.sched_getaffinity(0)))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-timeout's: waiting for the machine is no test's time
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    if not is_worker():
        return (yield)
    with MACHINE.held(item.nodeid, nextitem.nodeid if nextitem else None):
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LaneScheduling:
    return LaneScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints as many files as --durations=N shows tests, and the lanes; shared set-up counts for the first test."""
    shown = config.getoption("durations")
    if not shown:
        return
    files: defaultdict[str, float] = defaultdict(float)
    lanes: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                files[report.nodeid.partition("::")[0]] += report.duration
                lanes[lane_of(report.nodeid)] += report.duration
    terminalreporter.write_sep("=", f"slowest {shown} files, and all lanes")
    for file, seconds in sorted(files.items(), key=itemgetter(1), reverse=True)[:shown]:
        terminalreporter.write_line(f"{seconds:.1f}s {file}")
    terminalreporter.write_line(", ".join(f"{lane}: {seconds:.0f}s" for lane, seconds in lanes.items()))


@pytest.fixture(scope="session")
def write_docs(pytestconfig: pytest.Config) -> bool:
    """Whether this run writes the pages of docs/ whose contents it measures."""
    return bool(pytestconfig.getoption("--write-docs"))
