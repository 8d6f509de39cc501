"""Writes what is known about a worker to a file in TEMP, one per worker, which WorkerFacts.java reads.

The file contains the number of starts. It outlives the process, so that no restart between two scrapes is missed.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any


def file_of(model: str, version: str, worker: str) -> Path:
    """Returns TEMP/workers/MODEL/VERSION/WORKER.json. worker: TorchServe's number for the worker, such as "9000"."""
    return Path(os.environ.get("TEMP", "/tmp"), "workers", model, version, f"{worker}.json")  # noqa: S108


def started(path: Path) -> None:
    """Counts one more start. If the file cannot be written, logs that and lets the model be served anyway."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, {"starts": _read(path).get("starts", 0) + 1})
    except OSError as error:
        logging.warning("expected to write %s, found %s; restarts of this worker are not counted", path, error)


def loaded(path: Path, engine: Any) -> None:
    """Adds the name and precision of the handler's engine; does nothing if `engine` lacks either."""
    name, precision = getattr(engine, "name", None), getattr(engine, "precision", None)
    known = _read(path)
    if name and precision and known:
        _write(path, {**known, "engine": str(name), "precision": str(precision)})


def _read(path: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return facts
    except (OSError, ValueError):
        return {}


def _write(path: Path, facts: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(facts), encoding="utf-8")
    partial.replace(path)
