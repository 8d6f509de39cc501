"""Keeps TorchServe running: restarts it if it ends, publishes its health, drains and stops it."""

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

# A TorchServe that ends is restarted in place, within seconds. After this many ends, leave the restart to Docker.
MAX_ENDS, ENDS_WITHIN_SECONDS = 5, 600.0
# As a shell reports it. Not 0, because the restart policy counts failures only, and a host's shutdown must be one.
STOPPED = 128 + signal.SIGTERM
# Poll often until ready, because someone is waiting; rarely afterwards, because each poll costs CPU.
LOOK_SECONDS, FIRST_LOOKS_SECONDS = 3.0, 0.5
_STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
# `scripts/stack dev` sends this after a change of this package: the process reloads its code while Java keeps running.
_CODE_CHANGED = signal.SIGHUP
_SIGNALS = _STOP_SIGNALS | {signal.SIGCHLD, _CODE_CHANGED}

# The entrypoint's argument for adopting a running Java.
ADOPT = "--adopt"

Java = Union["subprocess.Popen[bytes]", AdoptedProcess]


def supervise(start_java: Callable[[], Java], stop_seconds: float, running: "AdoptedProcess | None" = None) -> int:
    """Keeps TorchServe running and publishes its health, until a stop signal or too many ends. Returns the exit status.

    running: the Java that this process started before it replaced itself.
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
        found = f"found that it ended with {_status(java.returncode)}"
        if not was_ready:
            log(f"FAIL: expected TorchServe to become ready, {found}; try what the last lines above say")
            return 1
        now = time.monotonic()
        ends = [end for end in ends if now - end < ENDS_WITHIN_SECONDS] + [now]
        state.publish(False, "unhealthy: TorchServe ended and is being restarted")
        if len(ends) > MAX_ENDS:
            log(f"FAIL: expected TorchServe to run, {found}, as {MAX_ENDS} times before; try what the lines above say")
            return 1
        log(f"WARNING: expected TorchServe to run until it is stopped, {found}; restarting it")


def watch(java: Java) -> bool:
    """Publishes the health until Java ends or a stop signal arrives; returns whether it was ever healthy."""
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
    """Replaces this process with one that runs the package's current code; Java stays its child. Never returns."""
    log("reloading the changed runtime while TorchServe keeps running")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "runtime", ADOPT, str(java.pid)])  # noqa: S606


def stop(java: Java, seconds: float) -> int:
    """Lets Java drain and end within `seconds`, or kills it then or at a second stop signal. Returns STOPPED."""
    # Unhealthy while requests in flight finish, so that load balancers stop sending new ones.
    state.publish(False, "unhealthy: TorchServe is draining before it stops")
    log("stopping: accepting no new connections, finishing the requests in flight")
    java.terminate()
    deadline = time.monotonic() + seconds
    while java.poll() is None and time.monotonic() < deadline:
        if _wait_for(0.2) in _STOP_SIGNALS:
            break
    if java.poll() is None:
        log(f"killing TorchServe: it did not stop within {seconds:g} s, or a second stop signal arrived")
        java.kill()
        java.wait()
    log("stopped")
    return STOPPED


def end_workers(java: Java) -> None:
    """Kills a dead Java's workers: one still computing would remove its successor's socket when it ends."""
    with suppress(ProcessLookupError):
        os.killpg(java.pid, signal.SIGKILL)


def _wait_for(seconds: float) -> "signal.Signals | None":
    """Returns the first of the (blocked) signals that arrives within `seconds`, or None."""
    received = signal.sigtimedwait(_SIGNALS, seconds)
    return None if received is None else signal.Signals(received.si_signo)


def _status(returncode: int) -> str:
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit status {returncode}"
