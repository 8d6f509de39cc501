"""What `scripts/stack tune` found best for this machine: read from the model store, never a reason not to start."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

TUNED_NAME = "tuned.json"
# Key of tuned.json → its least value; None: it is a word.
_LEAST = {"workers": 1, "threads": 1, "batchSize": 1, "maxBatchDelay": 0, "precision": None}
# Where it belongs in model-config.yaml; the number of workers is the sizing's to write.
_PLACES = {
    "threads": ("handler", "threads"),
    "batchSize": ("batchSize",),
    "maxBatchDelay": ("maxBatchDelay",),
    "precision": ("handler", "engine", "precision"),
}


@dataclass(frozen=True)
class Tuned:
    """One model's tuned settings, by the keys of tuned.json, and what they were tuned for."""

    settings: Mapping[str, Any]
    why: str

    @property
    def workers(self) -> Optional[int]:
        """None: not tuned."""
        return self.settings.get("workers")

    @property
    def threads(self) -> Optional[int]:
        """Of one worker; None: not tuned."""
        return self.settings.get("threads")

    @property
    def changes(self) -> dict[str, Any]:
        """As model-config.yaml says it, but for the workers."""
        changes: dict[str, Any] = {}
        for key, (*sections, name) in _PLACES.items():
            if key in self.settings:
                section = changes
                for inner in sections:
                    section = section.setdefault(inner, {})
                section[name] = self.settings[key]
        return changes

    @property
    def others(self) -> str:
        """All but workers and threads, for the log."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items() if key not in ("workers", "threads"))

    def misfit(self, precisions: Sequence[str], cpus: float) -> str:
        """Why these settings are not for this archive or this container (tuned on another?), or nothing."""
        precision = self.settings.get("precision")
        if precision is not None and precision not in precisions:
            return f"expected a precision of the archive ({', '.join(precisions) or 'none'}), found {precision}"
        wanted, usable = (self.workers or 1) * (self.threads or 1), max(1, int(cpus))
        if wanted > usable:
            return f"expected workers × threads of at most {usable} CPUs, found {wanted}"
        return ""


def read_tuned(store: Path) -> tuple[dict[str, Tuned], str]:
    """{"<name> <version>": Tuned}, and what is wrong with the file ("" where nothing is, or there is none)."""
    path = store / TUNED_NAME
    if not path.is_file():
        return {}, ""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {label: _tuned(entry) for label, entry in entries.items()}, ""
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        return {}, f"expected what `scripts/stack tune` wrote in {TUNED_NAME}, found {error!r}; try tuning again"


def _tuned(entry: Mapping[str, Any]) -> Tuned:
    """Raises KeyError and ValueError: a setting that does not say what it means must not reach TorchServe."""
    for key, value in entry["settings"].items():
        least = _LEAST[key]
        is_usable = isinstance(value, str) if least is None else type(value) is int and value >= least
        if not is_usable:
            raise ValueError(f"{key}: {value!r}")
    return Tuned(entry["settings"], f"tuned for {entry['goal']}")
