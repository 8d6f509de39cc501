"""Records, model by model, what one run of the builder did, so that the command line need not parse its output."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.failure import Failure
from contract.files import write_whole

BUILT, UNCHANGED, REMOVED, UNAVAILABLE, FAILED = "built", "unchanged", "removed", "unavailable", "failed"


@dataclass(frozen=True)
class ModelOutcome:
    """What happened to one model. `status`: one of the words above; `seconds`: how long it took.

    If model.yaml could not be read, `version` is empty and `name` is that of its folder.
    """

    name: str
    version: str
    status: str
    seconds: float = 0.0
    failure: Failure | None = None

    def as_data(self) -> dict[str, Any]:
        """Returns the outcome as a JSON object."""
        failure = self.failure.as_data() if self.failure else None
        return {**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, "failure": failure}


@dataclass
class Outcome:
    """What a run did. `failure`: the builder's or the last failed model's, for exit status 1; None for status 0."""

    models: list[ModelOutcome] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def exit_status(self) -> int:
        """Returns 0 if every model is built, unchanged, removed or (unless strict) unavailable, else 1."""
        return 1 if self.failure else 0

    @property
    def has_changed_the_store(self) -> bool:
        """Tells whether a version was added, replaced or removed."""
        return any(model.status in (BUILT, REMOVED) for model in self.models)

    def write(self, file: Path) -> None:
        """Writes the file atomically. Raises OSError."""
        failure = self.failure.as_data() if self.failure else None
        models = [model.as_data() for model in self.models]
        write_whole(file, json.dumps({"models": models, "failure": failure}, indent=1) + "\n")


def read_outcome(file: Path) -> Outcome | None:
    """Reads an outcome; None if the builder ended before it could write one."""
    if not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    models = [ModelOutcome(**{**model, "failure": _failure(model["failure"])}) for model in data["models"]]
    return Outcome(models, _failure(data["failure"]))


def _failure(data: dict[str, Any] | None) -> Failure | None:
    return Failure.from_data(data) if data else None
