"""Keeps TorchServe running: starts it again where it ends, publishes its health, drains and stops it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Callable, Union

from runtime import health, state
from runtime.adopted import AdoptedProcess
from runtime.log import log

# A TorchServe that ends is started again in place, which takes seconds; one that ends so often is Docker's to restart.
MAX_ENDS, ENDS_WITHIN_SECONDS = 5, 600.0
# As a shell would report it. Not 0: the restart policy counts failures only, and has to see a host's shutdown as one.
STOPPED = 128 + signal.SIGTERM
# Poll often until ready, because someone is waiting; rarely afterwards, because each poll costs CPU.
LOOK_SECONDS, FIRST_LOOKS_SECONDS = 3.0, 0.5
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
# `scripts/stack dev` sends it once this package has changed: the process reads it again, and Java runs on.
_CODE_CHANGED = signal.SIGHUP
_SIGNALS = _STOP_SIGNALS | {signal.SIGCHLD, _CODE_CHANGED}

# The entrypoint's argument: adopt this Java.
ADOPT = "--adopt"

Java = Union["subprocess.Popen[bytes]", AdoptedProcess]


def supervise(start_java: Callable[[], Java], stop_seconds: float, running: "AdoptedProcess | None" = None) -> int:
    """Keeps TorchServe running and its health published, until a stop signal or too many ends.

    running: the Java that an earlier image of this process has started.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    ends: list[float] = []
    while True:
        java = running or start_java()
        running = None
        was_ready = watch(java)
        if java.poll() is None:
            return stop(java, stop_seconds)
        end_workers(java)
        found = f"found it ended with {_status(java.returncode)}"
        if not was_ready:
            log(f"FAIL: expected TorchServe to become ready, {found}; try the last lines above")
            return 1
        now = time.monotonic()
        ends = [end for end in ends if now - end < ENDS_WITHIN_SECONDS] + [now]
        state.publish(False, "unhealthy: TorchServe ended and is started again")
        if len(ends) > MAX_ENDS:
            log(f"FAIL: expected TorchServe to run, {found}, as {MAX_ENDS} times before; try the lines above")
            return 1
        log(f"WARNING: expected TorchServe to run until it is told to stop, {found}; starting it again")


def watch(java: Java) -> bool:
    """Publishes the health until Java's end or a stop signal; returns whether all was ever healthy."""
    started = time.monotonic()
    ready = False
    while java.poll() is None:
        healthy, line = health.check()
        state.publish(healthy, line)
        if healthy and not ready:
            ready = True
            log(f"ready after {time.monotonic() - started:.1f} s, {line}")
        received = _wait_for(LOOK_SECONDS if ready else FIRST_LOOKS_SECONDS)
        if received == _CODE_CHANGED:
            read_code_again(java)
        if received in _STOP_SIGNALS:
            break
    return ready


def read_code_again(java: Java) -> None:
    """Replaces this process by one that runs the package as it is now; Java stays its child. Never returns."""
    log("reading the changed runtime, TorchServe runs on")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "runtime", ADOPT, str(java.pid)])  # noqa: S606


def stop(java: Java, seconds: float) -> int:
    """Java drains, then ends, within `seconds`; a second stop signal cuts that short."""
    # Red while requests in flight finish, so that whoever routes requests stops sending new ones.
    state.publish(False, "unhealthy: draining, TorchServe is about to stop")
    log("stopping: no new connections, requests in flight are answered")
    java.terminate()
    deadline = time.monotonic() + seconds
    while java.poll() is None and time.monotonic() < deadline:
        if _wait_for(0.2) in _STOP_SIGNALS:
            break
    if java.poll() is None:
        log(f"TorchServe did not stop in {seconds:g} s or was told to stop at once: killing it")
        java.kill()
        java.wait()
    log("stopped")
    return STOPPED


def end_workers(java: Java) -> None:
    """Kills what a dead Java has left: a worker still computing would remove the socket of its successor as it ends."""
    with suppress(ProcessLookupError):
        os.killpg(java.pid, signal.SIGKILL)


def _wait_for(seconds: float) -> "signal.Signals | None":
    """The first of the (blocked) signals to arrive within `seconds`, or None."""
    received = signal.sigtimedwait(_SIGNALS, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _status(returncode: int) -> str:
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit status {returncode}"
