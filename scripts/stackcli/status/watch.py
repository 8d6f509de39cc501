"""`scripts/stack status --watch`: refreshes the screen in place on a terminal, otherwise prints it repeatedly."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

EVERY_SECONDS = 2.0
END_KEYS = set(b"qQ")

Screen = Callable[[], tuple[RenderableType, bool]]  # what to show, and whether the stack is healthy


def watch(read: Screen, to: Console) -> bool:
    """Watches until q or Ctrl-C; tells whether the stack was healthy in the end."""
    screens = shown_in_place if to.is_terminal and sys.stdin.isatty() else shown_in_turn
    last: deque[bool] = deque([False], maxlen=1)
    with suppress(KeyboardInterrupt):
        last.extend(screens(read, to))
    return last[0]


def shown_in_turn(read: Screen, to: Console) -> Iterator[bool]:
    while True:
        screen, is_healthy = read()
        to.print(screen)
        to.print()
        to.file.flush()
        yield is_healthy
        time.sleep(EVERY_SECONDS)


def shown_in_place(read: Screen, to: Console) -> Iterator[bool]:
    with single_keys(), Live(Text("…"), console=to, screen=True, auto_refresh=False) as live:
        while True:
            screen, is_healthy = read()
            foot = Text(f"\n{time.strftime('%H:%M:%S')}, every {EVERY_SECONDS:g} s; press q to quit", style="dim")
            live.update(Group(screen, foot), refresh=True)
            yield is_healthy
            if is_ended(EVERY_SECONDS):
                return


def is_ended(seconds: float) -> bool:
    """Tells whether a key of END_KEYS is pressed within `seconds`."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], left)[0]:
            # Not through sys.stdin: select does not see what its buffer has read ahead.
            keys = os.read(sys.stdin.fileno(), 64)
            if not keys or set(keys) & END_KEYS:
                return True
    return False


@contextmanager
def single_keys() -> Iterator[None]:
    """Makes the terminal deliver each key at once, and restores it afterwards."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
