"""Represents a failure as data: what was expected, what was found, what to try. No process parses another's text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Failure(Exception):
    """A problem that the user can act on; `subject` names what it is about, and may be empty."""

    def __init__(self, expected: str, found: str, remedy: str, subject: str = "") -> None:
        super().__init__(expected, found, remedy, subject)
        self.expected, self.found, self.remedy, self.subject = expected, found, remedy, subject

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Failure) and self.as_data() == other.as_data()

    def __hash__(self) -> int:
        return hash(self.args)

    def __str__(self) -> str:
        """Returns one sentence without the subject."""
        return f"expected {self.expected}, found {self.found}; try {self.remedy}"

    def as_data(self) -> dict[str, str]:
        """Returns the failure as a JSON object; `from_data` reads it."""
        return {"subject": self.subject, "expected": self.expected, "found": self.found, "remedy": self.remedy}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Failure:
        """Makes a failure of its JSON object. Raises KeyError if a part is missing."""
        return cls(str(data["expected"]), str(data["found"]), str(data["remedy"]), str(data.get("subject", "")))


def failure_line(failure: Failure) -> str:
    """Returns the line that a process prints when it fails: `{"failure": {…}}`."""
    return json.dumps({"failure": failure.as_data()}, ensure_ascii=False)


def read_failure(text: str) -> Failure | None:
    """Returns the failure in the last line of `text`; None if there is none."""
    lines = text.strip().splitlines()
    try:
        return Failure.from_data(json.loads(lines[-1])["failure"]) if lines else None
    except (ValueError, KeyError, TypeError):
        return None
