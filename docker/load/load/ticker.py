"""A clock that wakes an event loop at a fixed interval, exact to microseconds.

Timers of event loops, uvloop's included, are exact to a millisecond: 3,000 requests/s would go out in bursts of three.
Linux's timerfd is exact, and a file descriptor that a loop can watch. Python has it from 3.13 on (os.timerfd_create).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

NS = 1_000_000_000
ABSOLUTE = 1  # TFD_TIMER_ABSTIME
libc = ctypes.CDLL(None, use_errno=True)


class Ticker:
    """Ticks at `begin`, then every `interval_ns`; `begin_ns` in nanoseconds of time.monotonic_ns()."""

    def __init__(self, begin_ns: int, interval_ns: int) -> None:
        self._fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        # struct itimerspec: interval, then first expiration, each as seconds and nanoseconds
        timing = (ctypes.c_long * 4)(*divmod(interval_ns, NS), *divmod(begin_ns, NS))
        if self._fd < 0 or libc.timerfd_settime(self._fd, ABSOLUTE, ctypes.byref(timing), None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timerfd: {os.strerror(number)}")

    def fileno(self) -> int:
        return self._fd

    def clear(self) -> None:
        """Until it is called the descriptor stays readable after a tick."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)
