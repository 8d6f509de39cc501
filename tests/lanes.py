"""Which tests run side by side where pytest has several workers (-n), and which run before the others, alone.

A lane is run by one worker, in the order that is written here: its tests share stacks, or count what a stack answers.
What compares times comes first, while nothing runs beside it but the tests without a stack, which take the CPU time
that is left over. Without -n all tests run one after the other, in pytest's own order.
"""

import os

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

ALONE, LEFT_OVER = "alone", "left over"
# Lane → how the names of its tests begin; a test belongs to the longest that fits. The longest lanes are taken first.
LANES = {
    ALONE: ("tests/integration/observe/test_metrics.py", "tests/browser/"),
    LEFT_OVER: ("tests/containers/", "tests/checks/", "tests/unit/"),
    "swarm": ("tests/integration/build/test_bake.py", "tests/integration/scale/"),
    "own stacks": (
        "tests/integration/faults/",
        "tests/integration/release/",
        "tests/integration/observe/",
        "tests/integration/build/",
        "tests/integration/tune/",
    ),
    "shared stacks": (
        "tests/integration/observe/test_status.py",
        "tests/integration/observe/test_metrics.py::test_a_killed_worker",
        "tests/integration/faults/test_resilience.py",
        "tests/integration/edge/",
        "tests/integration/security/",
        "tests/integration/api/",
        "tests/integration/docs/",
    ),
}
WORKERS = len(LANES) - 1


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
    """Gives this worker the lowest priority, where the lane of the test is the only one that it runs."""
    if lane_of(test) == LEFT_OVER and int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")) >= WORKERS:
        os.nice(19)


class LaneScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """A free worker takes the next lane, but none other than LEFT_OVER before ALONE is done."""

    def __init__(self, config: pytest.Config) -> None:
        config.option.loadscopereorder = False  # the lanes come in the order of the tests
        super().__init__(config)

    def _split_scope(self, nodeid: str) -> str:
        return lane_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        if not self._is_held_back(node):
            super()._assign_work_unit(node)

    def _is_held_back(self, node: WorkerController) -> bool:
        """No: the worker that runs ALONE. A worker begins its last test only when it knows what comes after it."""
        may_go = not self._left_alone() or ALONE in self.assigned_work[node]
        return not may_go and next(iter(self.workqueue)) != LEFT_OVER

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
