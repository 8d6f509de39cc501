"""Health is a READY worker of every model of the manifest, in one readable line."""

from pathlib import Path
from typing import Any

import pytest

from runtime import health, state
from runtime.manifest import Model, Verdict

MNIST = {"name": "mnist", "version": "1.0", "trained": True}


def version(number: str, *statuses: str) -> dict[str, Any]:
    return {"modelVersion": number, "workers": [{"status": status} for status in statuses]}


@pytest.mark.parametrize(
    ("versions", "healthy", "line"),
    [
        ([version("1.0", "READY", "READY")], True, "healthy: mnist 1.0 (2 workers)"),
        ([version("1.0", "READY")], True, "healthy: mnist 1.0 (1 worker)"),
        ([version("1.0", "READY", "UNLOADING")], False, "unhealthy: mnist 1.0: 1 of 2 workers READY"),
        ([version("1.0")], False, "unhealthy: mnist 1.0: no workers"),
        ([version("2.0", "READY")], False, "unhealthy: mnist 1.0: not loaded"),
        ([], False, "unhealthy: mnist 1.0: not loaded"),
    ],
)
def test_every_worker_of_the_version_must_be_ready(versions: list[Any], healthy: bool, line: str) -> None:
    assert health.judge([MNIST], [], lambda name: versions) == (healthy, line)


def test_each_version_is_judged_by_itself() -> None:
    served = [{**MNIST, "version": "2.0"}, MNIST]
    answer = [version("1.0", "READY"), version("2.0", "UNLOADING")]
    assert health.judge(served, [], lambda name: answer) == (False, "unhealthy: mnist 2.0: 0 of 1 workers READY")


def test_a_corrupt_archive_makes_it_unhealthy_and_is_named_although_the_others_serve() -> None:
    verdict = health.judge([MNIST], ["densenet161 1.0"], lambda name: [version("1.0", "READY")])
    assert verdict == (False, "unhealthy: densenet161 1.0: corrupt, not served")


def test_an_untrained_model_is_called_so() -> None:
    line = health.judge([{**MNIST, "trained": False}], [], lambda name: [version("1.0", "READY")])[1]
    assert line == "healthy: mnist 1.0 UNTRAINED (1 worker)"


def test_nothing_served_is_unhealthy() -> None:
    assert health.judge([], [], lambda name: []) == (False, "unhealthy: no model is served")


def test_the_entrypoint_tells_health_what_to_expect_and_forgets_it_at_the_next_start(tmp_path: Path) -> None:
    assert state.read_expected(tmp_path) is None
    state.write_expected([Model("a", "1.0", Verdict.SERVED), Model("b", "1.0", Verdict.CORRUPT)], tmp_path)
    state.mark_draining(tmp_path)
    expected = state.read_expected(tmp_path)
    assert expected == {"served": [{"name": "a", "version": "1.0", "trained": True}], "corrupt": ["b 1.0"]}
    assert state.is_draining(tmp_path)
    state.forget(tmp_path)
    assert (state.read_expected(tmp_path), state.is_draining(tmp_path)) == (None, False)
