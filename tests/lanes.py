"""Which tests run side by side where pytest has several workers (-n), in which order, and which have the machine alone.

A lane is run by one worker, in the order that is written here: its tests share stacks, or count what a stack answers.
First comes what needs no stack, file by file. Then come the tests that may lose no request under a constant load, or
that measure: while they run the other workers wait. The other lanes are longest first. `scripts/stack test` gives -n
on every machine with two CPUs or more; without it all tests run one after the other, in pytest's own order.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

WITHOUT_STACK, ALONE = "without a stack", "alone"
# Each of these is a whole suite inside an image, and may run alongside another one.
SUITES = "tests/containers/test_suites.py"
# Lane → how the names of its tests begin; a test belongs to the longest that fits. The lanes are taken in this order.
LANES = {
    WITHOUT_STACK: (
        SUITES,
        "tests/containers/",
        "tests/checks/test_static_checks.py",
        "tests/checks/",
        "tests/unit/",
    ),
    # Constant loads of which no request may be lost, and clients' times compared with a server's.
    ALONE: (
        "tests/integration/observe/",
        "tests/integration/faults/",
        "tests/integration/release/",
    ),
    # What takes all of the CPUs that it gets, for as long as it takes.
    "work": (
        "tests/integration/faults/test_fuzz.py",
        "tests/integration/faults/test_files.py",
        "tests/integration/build/",
        "tests/integration/tune/",
        "tests/integration/docs/",
        "tests/integration/security/test_provenance.py",
    ),
    # A registry, machines with their own engines, and alerts that have to last: they mostly wait.
    "waiting": (
        "tests/integration/build/test_bake.py",
        "tests/integration/scale/",
        "tests/integration/observe/test_alerts.py",
        "tests/integration/observe/test_dashboards.py",
        "tests/integration/observe/test_tracing.py",
    ),
    # The running stack, the closed one and the workshop.
    "shared stacks": (
        "tests/integration/observe/test_status.py",
        "tests/integration/observe/test_metrics.py::test_a_killed_worker",
        "tests/integration/faults/test_resilience.py",
        "tests/integration/api/",
        "tests/integration/edge/",
        "tests/integration/security/",
        "tests/browser/",
    ),
}
MAX_WORKERS = 3


def place_of(test: str) -> tuple[int, int]:
    """Returns the numbers of a test's lane and of the prefix that matches; `test`: as pytest names it."""
    fitting = [
        (len(start), (lane, place))
        for lane, starts in enumerate(LANES.values())
        for place, start in enumerate(starts)
        if test.startswith(start)
    ]
    assert fitting, f"expected a lane for {test}, found none; try tests/lanes.py"
    return max(fitting)[1]


def lane_of(test: str) -> str:
    return list(LANES)[place_of(test)[0]]


def workers_for(cpus: int) -> int:
    return min(cpus, MAX_WORKERS)


class LaneScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A free worker takes the next file of WITHOUT_STACK, or the next lane once ALONE is done."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # the lanes come in the order of the tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        lane = lane_of(nodeid)
        if lane != WITHOUT_STACK:
            return lane
        return nodeid if nodeid.startswith(SUITES) else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_held_back(node):
            super()._assign_work_unit(node)

    def _is_held_back(self, node: WorkerController) -> bool:
        """Tells whether the worker has to wait for the tests of ALONE, which it does not run itself."""
        upcoming = next(iter(next(iter(self.workqueue.values()))))
        return bool(self._left_alone()) and ALONE not in self.assigned_work[node] and lane_of(upcoming) != WITHOUT_STACK

    def _left_alone(self) -> int:
        """Returns how many tests of ALONE are not done, once a worker has them."""
        taken = [lanes[ALONE] for lanes in self.assigned_work.values() if ALONE in lanes]
        return sum(not is_done for tests in taken for is_done in tests.values())

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        before = self._left_alone()
        super().mark_test_complete(node, item_index, duration)
        if before and not self._left_alone():
            for other in self.nodes:
                self._reschedule(other)


class Machine:
    """One worker's hold on the machine, which it shares with the others, or has alone."""

    def __init__(self, folder: Path) -> None:
        # Later tests wait at the gate, so that one that needs the machine alone gets it after the tests that run now.
        self._gate, self._inside = (self._open(folder / name) for name in ("gate.lock", "inside.lock"))
        self._is_alone = False

    @staticmethod
    def _open(file: Path) -> int:
        """Opens a lock file, which stays open until the process ends."""
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT)

    @contextmanager
    def held(self, test: str, following: str | None) -> Iterator[None]:
        """Holds the machine while a test runs; from the first test of ALONE to the last, no other test gets it."""
        if not self._is_alone:
            self._enter(is_alone=lane_of(test) == ALONE)
        try:
            yield
        finally:
            if not (self._is_alone and following and lane_of(following) == ALONE):
                self._leave()

    def _enter(self, is_alone: bool) -> None:
        fcntl.flock(self._gate, fcntl.LOCK_EX)
        fcntl.flock(self._inside, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        if not is_alone:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        self._is_alone = is_alone

    def _leave(self) -> None:
        self._is_alone = False
        fcntl.flock(self._inside, fcntl.LOCK_UN)
        fcntl.flock(self._gate, fcntl.LOCK_UN)


def is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ
