"""Reads and writes tuned.json: the best settings that `scripts/stack tune` found on this machine, for the runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.failure import Failure

TUNED = "tuned.json"
# The settings that may be tuned, each with its smallest value; a precision is a word.
MIN_VALUES: Mapping[str, int | None] = {
    "workers": 1,
    "threads": 1,
    "batchSize": 1,
    "maxBatchDelay": 0,
    "precision": None,
}


@dataclass(frozen=True)
class Tuned:
    """One version's entry: its settings, the goal they were chosen for, and the machine.

    `figures`: the chosen settings' and the default's metrics, measured in the same run (requests/s, milliseconds).
    """

    goal: str
    settings: Mapping[str, int | str]
    date: str = ""
    cpu: str = ""
    cpus: int = 0
    connections: int = 0
    figures: Mapping[str, float] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)  # what a newer version of the command wrote


def read_tuned(store: Path) -> dict[str, Tuned]:
    """Returns the entries by label (`mnist 1.0`); {} if nothing was tuned. Raises Failure."""
    path = store / TUNED
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {label: _tuned(entry) for label, entry in entries.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        remedy = "deleting it, and `scripts/stack tune` again"
        raise Failure(f"what `scripts/stack tune` wrote in {path}", repr(error), remedy) from None


def tuned_text(entries: Mapping[str, Tuned]) -> str:
    """Returns the content of tuned.json."""
    return json.dumps({label: _as_entry(tuned) for label, tuned in sorted(entries.items())}, indent=1) + "\n"


def _tuned(entry: Mapping[str, Any]) -> Tuned:
    """Parses an entry. Raises KeyError, TypeError and ValueError, so that no invalid setting reaches TorchServe."""
    for key, value in entry["settings"].items():
        smallest = MIN_VALUES[key]
        is_usable = isinstance(value, str) if smallest is None else type(value) is int and value >= smallest
        if not is_usable:
            raise ValueError(f"{key}: {value!r}")
    known = {key: value for key, value in entry.items() if key in _FIELDS}
    return Tuned(**known, more={key: value for key, value in entry.items() if key not in _FIELDS})


def _as_entry(tuned: Tuned) -> dict[str, Any]:
    values = {name: getattr(tuned, name) for name in _FIELDS}
    return {**{name: value for name, value in values.items() if value not in ("", 0, None)}, **tuned.more}


_FIELDS = ("goal", "settings", "date", "cpu", "cpus", "connections", "figures")
