"""The health check requires a READY worker of every model in the manifest, and prints one readable line."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from contract.served import State
from runtime import health, state
from runtime.manifest import Model

MNIST = Model("mnist", "1.0", State.SERVED)
DENSENET = Model("densenet161", "1.0", State.CORRUPT, is_fault=True)


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
    assert health.judge([MNIST], lambda name: versions) == (healthy, line)


def test_each_version_is_judged_by_itself() -> None:
    served = [Model("mnist", "2.0", State.SERVED), MNIST]
    answer = [version("1.0", "READY"), version("2.0", "UNLOADING")]
    assert health.judge(served, lambda name: answer) == (False, "unhealthy: mnist 2.0: 0 of 1 workers READY")


def test_a_corrupt_archive_makes_it_unhealthy_and_is_named_although_the_others_serve() -> None:
    verdict = health.judge([MNIST, DENSENET], lambda name: [version("1.0", "READY")])
    assert verdict == (False, "unhealthy: densenet161 1.0: corrupt, not served")


def test_an_untrained_model_is_called_so() -> None:
    untrained = Model("mnist", "1.0", State.SERVED, trained=False)
    _, line = health.judge([untrained], lambda name: [version("1.0", "READY")])
    assert line == "healthy: mnist 1.0 UNTRAINED (1 worker)"


def test_nothing_served_is_unhealthy() -> None:
    assert health.judge([], lambda name: []) == (False, "unhealthy: no model is served")


def healthcheck(temp: Path) -> tuple[int, str]:
    script = Path(state.__file__).with_name("healthcheck.sh")
    done = subprocess.run(["sh", script], env={"TEMP": str(temp)}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def test_the_health_check_repeats_the_entrypoints_last_verdict(tmp_path: Path) -> None:
    preparing = (1, "unhealthy: the entrypoint is still preparing the models")
    assert healthcheck(tmp_path) == preparing
    state.publish(False, "unhealthy: mnist 1.0: no workers", tmp_path)
    assert healthcheck(tmp_path) == (1, "unhealthy: mnist 1.0: no workers")
    state.publish(True, "healthy: mnist 1.0 (2 workers)", tmp_path)
    assert healthcheck(tmp_path) == (0, "healthy: mnist 1.0 (2 workers)")
    state.forget(tmp_path)
    assert healthcheck(tmp_path) == preparing


def test_a_verdict_that_is_not_renewed_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: now - 60)
    state.publish(True, "healthy: mnist 1.0 (2 workers)", tmp_path)
    status, line = healthcheck(tmp_path)
    assert status == 1
    assert line.startswith("unhealthy: the entrypoint's last check, 6")
    assert line.endswith(" s ago, said: healthy: mnist 1.0 (2 workers)")
