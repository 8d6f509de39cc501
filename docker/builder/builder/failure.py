"""A failure as data, for whoever reads what the builder did; not an exception (errors.py has those)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """What was expected, what was found and what to try; `subject`: the model that failed, empty for the builder."""

    expected: str
    found: str
    remedy: str
    subject: str = ""
