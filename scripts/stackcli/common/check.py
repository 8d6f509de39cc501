"""Defines the result of a check, and prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stackcli.common import console
from stackcli.common.errors import StackError

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """The result of one check; `expected` and `remedy` are empty if it passed."""

    name: str
    verdict: Verdict
    found: str
    expected: str = ""
    remedy: str = ""

    def error(self) -> StackError:
        return StackError(self.expected, self.found, self.remedy)


def show(check: Check) -> None:
    if check.verdict == "ok":
        console.done(f"{check.name}: {check.found}")
    elif check.verdict == "warning":
        console.warn(check.name, check.error())
    else:
        console.refuse(check.name, check.error())


def require(checks: list[Check]) -> None:
    """Shows all checks, then raises the error of the first one that failed."""
    for check in checks:
        show(check)
    for check in checks:
        if check.verdict == "failed":
            raise check.error()
