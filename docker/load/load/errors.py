"""The one failure of the command line: a load that cannot be run as asked."""

from __future__ import annotations


class LoadError(Exception):
    """What was expected, what was found, what to try."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"FAIL: expected {expected}, found {found}; try {remedy}")
