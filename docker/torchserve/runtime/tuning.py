"""Applies a version's tuned settings (contract/tuned.py) to its archive's own, and checks that they fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, cast

from contract.failure import Failure
from contract.tuned import Tuned, read_tuned

# Where a setting belongs in model-config.yaml; sizing.py writes the number of workers.
_PLACES = {
    "threads": ("handler", "threads"),
    "batchSize": ("batchSize",),
    "maxBatchDelay": ("maxBatchDelay",),
    "precision": ("handler", "engine", "precision"),
}


@dataclass(frozen=True)
class Tuning:
    """One version's tuned settings, as the runtime applies them."""

    tuned: Tuned

    @property
    def why(self) -> str:
        """The source of the settings, for the log."""
        return f"tuned for {self.tuned.goal}"

    @property
    def workers(self) -> Optional[int]:
        """The number of workers; None if it was not tuned."""
        return cast("Optional[int]", self.tuned.settings.get("workers"))

    @property
    def threads(self) -> Optional[int]:
        """Threads per worker; None if they were not tuned."""
        return cast("Optional[int]", self.tuned.settings.get("threads"))

    @property
    def changes(self) -> dict[str, Any]:
        """The settings in the form of model-config.yaml, without the workers."""
        changes: dict[str, Any] = {}
        for key, (*sections, name) in _PLACES.items():
            if key in self.tuned.settings:
                section = changes
                for inner in sections:
                    section = section.setdefault(inner, {})
                section[name] = self.tuned.settings[key]
        return changes

    @property
    def others(self) -> str:
        """All settings except workers and threads, for the log."""
        named = (item for item in self.tuned.settings.items() if item[0] not in ("workers", "threads"))
        return ", ".join(f"{key} {value}" for key, value in named)

    def misfit(self, precisions: Sequence[str], cpus: float) -> str:
        """Returns why the settings do not fit this archive or container (tuned elsewhere?), or "" if they do."""
        precision = self.tuned.settings.get("precision")
        if precision is not None and precision not in precisions:
            return f"expected a precision of the archive ({', '.join(precisions) or 'none'}), found {precision}"
        wanted, usable = (self.workers or 1) * (self.threads or 1), max(1, int(cpus))
        if wanted > usable:
            return f"expected workers × threads to be at most {usable} (the CPUs), found {wanted}"
        return ""


def read_tunings(store: Path) -> tuple[dict[str, Tuning], str]:
    """Returns the tunings by label, and a problem with the file ("" if none), which never prevents the start."""
    try:
        return {label: Tuning(tuned) for label, tuned in read_tuned(store).items()}, ""
    except Failure as failure:
        return {}, str(failure)
