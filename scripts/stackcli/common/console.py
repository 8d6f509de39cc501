"""Prints what the user sees: phases, check marks and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from contract.failure import Failure

PLAIN_WIDTH = 200  # columns, when the output is not a terminal

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True, width=None if sys.stderr.isatty() else PLAIN_WIDTH)


def leave_stdout_alone() -> None:
    """Sends everything to stderr from now on, so that stdout carries machine-readable output only."""
    out.file = sys.stderr


def in_three_lines(failure: Failure, before: str, indent: str) -> str:
    """Formats what was expected, what was found and what to try, one per line; `before` starts the first line."""
    lines = f"expected {failure.expected}", f"found {failure.found}", f"try {failure.remedy}"
    return before + f"\n{indent}".join(lines)


def phase(title: str) -> None:
    out.print(f"[bold]{escape(title)}[/bold]")


def say(text: str) -> None:
    out.print(f"  {escape(text)}")


def done(text: str) -> None:
    out.print(f"  [green]✓[/green] {escape(text)}")


def warn(text: str, failure: Failure | None = None) -> None:
    """Prints a warning; with a `failure`, `text` names its subject."""
    shown = in_three_lines(failure, f"{text}: ", "    ") if failure else text
    out.print(f"  [yellow]! WARNING: {escape(shown)}[/yellow]")


def refuse(text: str, failure: Failure | None = None) -> None:
    """Prints a failed item of a list; with a `failure`, `text` names its subject."""
    shown = in_three_lines(failure, f"{text}: ", "    ") if failure else text
    out.print(f"  [red]✗ {escape(shown)}[/red]")


def fail(failure: Failure) -> None:
    """Prints, on stderr, the failure that ends a command."""
    err.print(f"[red]{escape(in_three_lines(failure, 'FAIL: ', '      '))}[/red]")


class Waiting:
    """Shows progress on one task: a spinner with the latest news on a terminal, one line per change elsewhere."""

    def __init__(self, progress: Progress | None, task: TaskID | None, title: str) -> None:
        self._progress, self._task, self._title, self._last = progress, task, title, ""

    def update(self, news: str, done: int | None = None, total: int | None = None) -> None:
        """Shows `news`; `done` of `total` (in any unit) moves the progress bar if there is one."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=f"{self._title}: {escape(news)}", completed=done, total=total)
        elif news and news != self._last:
            say(f"{self._title}: {news}")
        self._last = news


@contextmanager
def waiting(title: str) -> Iterator[Waiting]:
    if not out.is_terminal:
        yield Waiting(None, None, title)
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn()
    with Progress(*columns, console=out, transient=True) as progress:
        yield Waiting(progress, progress.add_task(title, total=None), title)


def seconds_since(start: float) -> str:
    """Formats the time since `start`, a value of time.monotonic()."""
    minutes, seconds = divmod(time.monotonic() - start, 60)
    return f"{int(minutes)} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"
