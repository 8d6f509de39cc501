"""What the person sees: phases, check marks and progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

PLAIN_WIDTH = 200  # columns where no terminal says how wide it is

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PLAIN_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True, width=None if sys.stderr.isatty() else PLAIN_WIDTH)


def leave_stdout_alone() -> None:
    """From now on people read stderr: stdout is for a machine."""
    out.file = sys.stderr


def phase(title: str) -> None:
    out.print(f"[bold]{escape(title)}[/bold]")


def say(text: str) -> None:
    out.print(f"  {escape(text)}")


def done(text: str) -> None:
    out.print(f"  [green]✓[/green] {escape(text)}")


def warn(text: str) -> None:
    out.print(f"  [yellow]! WARNING: {escape(text)}[/yellow]")


def refuse(text: str) -> None:
    out.print(f"  [red]✗ {escape(text)}[/red]")


def fail(text: str) -> None:
    err.print(f"[red]{escape(text)}[/red]")


class Waiting:
    """One thing waited for: a spinner with the latest news on a terminal, one line per change elsewhere."""

    def __init__(self, progress: Progress | None, task: TaskID | None, title: str) -> None:
        self._progress, self._task, self._title, self._last = progress, task, title, ""

    def update(self, news: str, done: int | None = None, total: int | None = None) -> None:
        """Shows `news`; `done` of `total` (any unit) moves the bar where there is one."""
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
    """`start`: a time.monotonic() reading."""
    minutes, seconds = divmod(time.monotonic() - start, 60)
    return f"{int(minutes)} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"
