"""What a check has found, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stackcli.common import console
from stackcli.common.errors import StackError

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

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
        console.warn(f"{check.name}: expected {check.expected}, found {check.found}; try {check.remedy}")
    else:
        console.refuse(f"{check.name}: {check.error()}")


def require(checks: list[Check]) -> None:
    """Shows all of them, then raises the error of the first that failed."""
    for check in checks:
        show(check)
    for check in checks:
        if check.verdict == "failed":
            raise check.error()
