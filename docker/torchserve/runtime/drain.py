"""Waits, before TorchServe is stopped, until the requests it already accepted are answered.

TorchServe's own stop lets gRPC calls finish but resets HTTP connections at once; so the wait has to come before it.
"""

import time
from typing import Callable, Optional

from runtime.connections import SocketDiagnosisError, established, in_flight, workers_busy

# Long enough for a request that a client sends right after another's answer; too short to be felt.
QUIET_SECONDS = 0.2
SAMPLE_SECONDS = 0.05


def requests_in_flight(java_pid: int, ports: "tuple[int, ...]") -> Optional[int]:
    """Connections with an unanswered request, or None where the kernel does not tell."""
    try:
        connections = established(ports)
    except SocketDiagnosisError:
        return None
    return in_flight(connections, workers_busy(java_pid)) if connections else 0


def wait_until_quiet(count: Callable[[], Optional[int]], seconds: float, interrupted: Callable[[float], bool]) -> str:
    """Waits until `count()` stays 0 for QUIET_SECONDS, `seconds` are over, or `interrupted(pause)` is true.

    interrupted: sleeps for that many seconds at most and says whether the wait must end now. Returns what happened.
    """
    started = time.monotonic()
    quiet_since: Optional[float] = None
    most = 0
    while True:
        now = time.monotonic()
        waiting = count()
        most = max(most, waiting or 0)
        if waiting == 0:
            quiet_since = now if quiet_since is None else quiet_since
            if now - quiet_since >= QUIET_SECONDS:
                return f"nothing in flight after {now - started:.1f} s (most at once: {most})"
        else:
            quiet_since = None
        left = "an unknown number of" if waiting is None else str(waiting)
        if now - started >= seconds:
            return f"{seconds:g} s are over with {left} requests in flight; they are lost"
        if interrupted(SAMPLE_SECONDS):
            return f"told to stop now with {left} requests in flight; they are lost"
