"""A clock that wakes an event loop at a fixed interval, accurate to microseconds.

The timers of event loops, including uvloop's, are accurate to a millisecond: 3,000 requests/s would be sent in bursts
of three. Linux's timerfd is more accurate, and is a file descriptor that a loop can watch. Python supports it since
3.13 (os.timerfd_create).
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
    """Ticks at `begin_ns` (nanoseconds of time.monotonic_ns()), then every `interval_ns`."""

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
        """Clears a tick; until then the descriptor stays readable."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._fd, 8)

    def close(self) -> None:
        os.close(self._fd)
