"""What one run of the builder did, model by model, for the command line that started it: it reads no printed line."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from builder.failure import Failure


@dataclass(frozen=True)
class ModelOutcome:
    """status: built, unchanged, removed, unavailable or failed; seconds: how long it took.

    `version` is empty where model.yaml could not be read; `name` is its folder's then.
    """

    name: str
    version: str
    status: str
    seconds: float = 0.0
    failure: Failure | None = None


@dataclass
class Outcome:
    """failure: the reason for exit status 1, of the builder or of the last model that failed; None for status 0."""

    models: list[ModelOutcome] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def exit_status(self) -> int:
        """0 where every model is built, unchanged, removed or (unless strict) unavailable."""
        return 1 if self.failure else 0

    def write(self, file: Path) -> None:
        """Whole at any moment, for readers of another user too."""
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", delete=False) as written:
            json.dump(dataclasses.asdict(self), written, indent=2)
        Path(written.name).chmod(0o644)
        Path(written.name).replace(file)
