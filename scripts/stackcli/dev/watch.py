"""Watches the sources and puts each change into the running stack, without restarting what it does not concern."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.2
IGNORED = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}

Times = Mapping[Path, int]  # file → nanoseconds


@dataclass(frozen=True)
class Watched:
    """Some folders, and what to do with their files that have changed, all at once."""

    folders: tuple[Path, ...]
    apply: Callable[[list[Path]], None]


def watch(watched: Iterable[Watched], is_over: Callable[[], bool] = lambda: False) -> None:
    """Runs until `is_over`, or until it is interrupted; a change during an `apply` is seen right after it."""
    seen = [(one, times_of(one.folders)) for one in watched]
    while not is_over():
        time.sleep(POLL_SECONDS)
        for number, (one, before) in enumerate(seen):
            now = times_of(one.folders)
            if now != before:
                seen[number] = (one, now)
                one.apply(changed(before, now))


def changed(before: Times, now: Times) -> list[Path]:
    """The files that are new, gone or written again, sorted."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def times_of(folders: Iterable[Path]) -> Times:
    """When each file was written. An editor's own files (hidden, or with a `~`) are not looked at."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            if IGNORED.isdisjoint(parts) and not any(part.startswith(".") or part.endswith("~") for part in parts):
                try:
                    if path.is_file():
                        found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # an editor writes beside the file, and renames
    return found
