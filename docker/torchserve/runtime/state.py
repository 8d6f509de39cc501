"""The files in TEMP through which the container's processes share what is served and whether it is healthy."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contract.failure import Failure
from contract.files import write_whole
from contract.served import State
from runtime.manifest import Model

TEMP = Path(os.environ.get("TEMP", "/home/model-server/tmp"))
# The configuration that Java starts with.
CONFIG = "config.properties"
_VERDICT, _CHOSEN, _START = ".stack-health", ".stack-chosen.json", ".stack-start.json"


def publish(healthy: bool, line: str, temp: "Path | None" = None) -> None:
    """Writes the verdict: its time in seconds since boot (verdicts expire), the exit status for Docker, the line."""
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    write_whole((temp or TEMP) / _VERDICT, f"{now} {0 if healthy else 1} {line}\n")


def forget(temp: "Path | None" = None) -> None:
    """Removes the files that an earlier run of the same container left, so that they are not taken for current."""
    for name in (_VERDICT, _CHOSEN, _START):
        ((temp or TEMP) / name).unlink(missing_ok=True)


def keep_chosen(models: Iterable[Model], temp: "Path | None" = None) -> None:
    """Writes the state of every version in the manifest: first the entrypoint at its start, then each release."""
    write_whole((temp or TEMP) / _CHOSEN, json.dumps([_as_data(model) for model in models], indent=1) + "\n")


def read_chosen(temp: "Path | None" = None) -> "list[Model]":
    """Returns what `keep_chosen` wrote; an empty list before that."""
    path = (temp or TEMP) / _CHOSEN
    return [_from_data(data) for data in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


@dataclass(frozen=True)
class Start:
    """What stays the same from one start to the next.

    `threads`: how many threads a worker's libraries may start; `settings`: the hash of the files, other than the
    manifest and releases.json, that were read at start.
    """

    threads: int
    settings: str


def keep_start(start: Start, temp: "Path | None" = None) -> None:
    """Writes what was decided at this start."""
    write_whole((temp or TEMP) / _START, json.dumps(asdict(start)) + "\n")


def read_start(temp: "Path | None" = None) -> "Start | None":
    """Returns what `keep_start` wrote, or None before that."""
    path = (temp or TEMP) / _START
    return Start(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def with_chosen(models: Sequence[Model], changed: Model) -> "list[Model]":
    """Returns `models` with `changed` in place of the same version, or appended."""
    labels = [model.label for model in models]
    if changed.label not in labels:
        return [*models, changed]
    return [changed if model.label == changed.label else model for model in models]


def described(models: Iterable[Model]) -> "list[dict[str, Any]]":
    """Returns each version's data for the command line: its state and, if it is not served, the reason."""
    return [_as_data(model) for model in models]


def _as_data(model: Model) -> "dict[str, Any]":
    return {
        "name": model.name,
        "version": model.version,
        "state": model.state.value,
        "reason": model.reason.as_data() if model.reason else None,
        "is_default": model.is_default,
        "is_fault": model.is_fault,
        "trained": model.trained,
        "sha256": model.sha256,
        "workers": model.workers,
        "threads": model.threads,
    }


def _from_data(data: "dict[str, Any]") -> Model:
    reason = Failure.from_data(data["reason"]) if data["reason"] else None
    return Model(**{**data, "state": State(data["state"]), "reason": reason})
