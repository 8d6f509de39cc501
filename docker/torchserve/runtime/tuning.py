"""What `scripts/stack tune` found best for this machine: read from the model store, never a reason not to start."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

TUNED_NAME = "tuned.json"
# Key of tuned.json → where it belongs in model-config.yaml.
_PLACES = {
    "workers": None,
    "threads": ("handler", "threads"),
    "precision": ("handler", "engine", "precision"),
    "batchSize": ("batchSize",),
    "maxBatchDelay": ("maxBatchDelay",),
}


@dataclass(frozen=True)
class Tuned:
    """One model's tuned settings: `workers` and `threads` (None: not tuned), and all as TorchServe is to read them."""

    workers: Optional[int]
    threads: Optional[int]
    changes: Mapping[str, Any]
    others: str
    why: str


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
    changes: dict[str, Any] = {}
    for key, value in entry["settings"].items():
        section = changes
        for name in (_PLACES[key] or ())[:-1]:
            section = section.setdefault(name, {})
        if _PLACES[key]:
            section[_PLACES[key][-1]] = value
    settings = entry["settings"]
    others = ", ".join(f"{key} {value}" for key, value in settings.items() if key not in ("workers", "threads"))
    return Tuned(settings.get("workers"), settings.get("threads"), changes, others, f"tuned for {entry['goal']}")
