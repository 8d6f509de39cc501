"""Which tests run side by side where pytest has several workers (-n), and which run before the others, alone.

A lane is run by one worker, in the order that is written here: its tests share stacks, or count what a stack answers.
What may lose no request under a constant load comes first, beside nothing but the tests without a stack, which take the
CPU time that is left over. `scripts/stack test` gives -n on machines with four CPUs or more; without it all tests run
one after the other, in pytest's own order.
"""

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

ALONE, WITHOUT_STACK = "alone", "without a stack"
# Lane → how the names of its tests begin; a test belongs to the longest that fits. The lanes are taken in this order.
LANES = {
    # Constant loads of which no request may be lost, and clients' times beside a server's.
    ALONE: (
        "tests/integration/observe/",
        "tests/integration/faults/",
        "tests/integration/release/",
    ),
    WITHOUT_STACK: ("tests/containers/", "tests/checks/", "tests/unit/"),
    # A registry, and machines with engines of their own: it mostly waits.
    "swarm": ("tests/integration/build/test_bake.py", "tests/integration/scale/"),
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
    # What takes all of the CPUs that it gets, for as long as it takes.
    "work": (
        "tests/integration/faults/test_fuzz.py",
        "tests/integration/build/",
        "tests/integration/tune/",
        "tests/integration/docs/",
        "tests/integration/security/test_provenance.py",
    ),
}
WORKERS = 3
# The nice value of the processes that run tests without a stack beside tests that measure one.
LOW_PRIORITY = 19


def place_of(test: str) -> tuple[int, int]:
    """Which lane, and which of its beginnings, by their numbers; test: as pytest names it."""
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


def yield_to_other_lanes(test: str) -> None:
    """Linters and unit tests take the CPU time that is left over; only root can take a low priority back."""
    wanted = LOW_PRIORITY if lane_of(test) == WITHOUT_STACK else 0
    if os.geteuid() == 0 and os.getpriority(os.PRIO_PROCESS, 0) != wanted:
        os.setpriority(os.PRIO_PROCESS, 0, wanted)


class LaneScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A free worker takes the next lane, but none other than WITHOUT_STACK before ALONE is done."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # the lanes come in the order of the tests
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_held_back(node):
            super()._assign_work_unit(node)

    def _is_held_back(self, node: WorkerController) -> bool:
        """No: the worker that runs ALONE. A worker begins its last test only when it knows what comes after it."""
        may_go = not self._left_alone() or ALONE in self.assigned_work[node]
        return not may_go and next(iter(self.workqueue)) != WITHOUT_STACK

    def _left_alone(self) -> int:
        """How many tests of ALONE are not done, once a worker has them."""
        taken = [lanes[ALONE] for lanes in self.assigned_work.values() if ALONE in lanes]
        return sum(not is_done for tests in taken for is_done in tests.values())

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        before = self._left_alone()
        super().mark_test_complete(node, item_index, duration)
        if before and not self._left_alone():
            for other in self.nodes:
                self._reschedule(other)
