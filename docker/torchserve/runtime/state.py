"""The files in TEMP through which the container's processes tell each other what is served and how it does."""

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
    """Writes the verdict: seconds since boot (a verdict gets old), Docker's exit status (0 is healthy), the line."""
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    write_whole((temp or TEMP) / _VERDICT, f"{now} {0 if healthy else 1} {line}\n")


def forget(temp: "Path | None" = None) -> None:
    """Removes what an earlier run of the same container left, so that nobody judges by it."""
    for name in (_VERDICT, _CHOSEN, _START):
        ((temp or TEMP) / name).unlink(missing_ok=True)


def keep_chosen(models: Iterable[Model], temp: "Path | None" = None) -> None:
    """Writes what became of every version of the manifest: by the entrypoint at its start, then by each release."""
    write_whole((temp or TEMP) / _CHOSEN, json.dumps([_as_data(model) for model in models], indent=1) + "\n")


def read_chosen(temp: "Path | None" = None) -> "list[Model]":
    """Returns what `keep_chosen` wrote, and nothing before the entrypoint has chosen."""
    path = (temp or TEMP) / _CHOSEN
    return [_from_data(data) for data in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []


@dataclass(frozen=True)
class Start:
    """What holds from one start to the next.

    `threads`: as many as the libraries of a worker may start; `settings`: the hash of the files that the start has read
    beside the manifest and releases.json.
    """

    threads: int
    settings: str


def keep_start(start: Start, temp: "Path | None" = None) -> None:
    """Writes what this start has decided."""
    write_whole((temp or TEMP) / _START, json.dumps(asdict(start)) + "\n")


def read_start(temp: "Path | None" = None) -> "Start | None":
    """Returns what `keep_start` wrote, or None before the entrypoint has decided it."""
    path = (temp or TEMP) / _START
    return Start(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def with_chosen(models: Sequence[Model], changed: Model) -> "list[Model]":
    """`models` with `changed` in the place of the same version, or at the end."""
    labels = [model.label for model in models]
    if changed.label not in labels:
        return [*models, changed]
    return [changed if model.label == changed.label else model for model in models]


def described(models: Iterable[Model]) -> "list[dict[str, Any]]":
    """What the command line is told of each version: its state and, where it is not served, the reason."""
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
