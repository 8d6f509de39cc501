"""A process keeps its children after it has replaced itself with a newer version of its own code."""

import signal
import subprocess

import pytest

from runtime.adopted import AdoptedProcess


def test_a_running_child_has_no_exit_status_and_one_that_ended_has_its_own() -> None:
    child = subprocess.Popen(["sh", "-c", "read line; exit 3"], stdin=subprocess.PIPE)
    adopted = AdoptedProcess(child.pid)
    assert adopted.poll() is None
    assert child.stdin
    child.stdin.close()
    assert adopted.wait(10) == 3
    assert (adopted.poll(), adopted.returncode) == (3, 3)
    child.returncode = 3  # so that Popen does not wait for it


@pytest.mark.parametrize(("stop", "expected"), [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)])
def test_a_child_is_stopped_by_a_signal(stop: str, expected: signal.Signals) -> None:
    child = subprocess.Popen(["sleep", "60"])
    adopted = AdoptedProcess(child.pid)
    getattr(adopted, stop)()
    assert adopted.wait(10) == -expected
    getattr(adopted, stop)()  # it is gone, so nothing happens
    child.returncode = -expected


def test_a_child_that_runs_on_is_waited_for_until_the_time_is_over() -> None:
    child = subprocess.Popen(["sleep", "60"])
    with pytest.raises(TimeoutError, match="is still running"):
        AdoptedProcess(child.pid).wait(0.2)
    child.kill()
    child.wait()
