"""Polls source folders and calls the function that applies a change."""

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
    """Some folders, and the function that applies all their changed files at once."""

    folders: tuple[Path, ...]
    apply: Callable[[list[Path]], None]


def watch(watched: Iterable[Watched], is_over: Callable[[], bool] = lambda: False) -> None:
    """Watches until `is_over` or an interrupt; a change made during an `apply` is seen right after it."""
    seen = [(one, times_of(one.folders)) for one in watched]
    while not is_over():
        time.sleep(POLL_SECONDS)
        for number, (one, before) in enumerate(seen):
            now = times_of(one.folders)
            if now != before:
                seen[number] = (one, now)
                one.apply(changed(before, now))


def changed(before: Times, now: Times) -> list[Path]:
    """Returns the files that are new, deleted or rewritten, sorted."""
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))


def times_of(folders: Iterable[Path]) -> Times:
    """Returns each file's modification time, without editors' own files (hidden, or ending in `~`)."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            parts = path.relative_to(folder).parts
            if IGNORED.isdisjoint(parts) and not any(part.startswith(".") or part.endswith("~") for part in parts):
                try:
                    if path.is_file():
                        found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # an editor writes a temporary file and renames it
    return found
