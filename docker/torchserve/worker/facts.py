"""Writes what is known of a worker to a file in TEMP, one per worker, from which WorkerFacts.java reads it.

The file holds the number of starts. It outlives the process, so that no restart is missed between two scrapes.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any


def file_of(model: str, version: str, worker: str) -> Path:
    """Returns TEMP/workers/MODEL/VERSION/WORKER.json. worker: TorchServe's number of it, such as "9000"."""
    return Path(os.environ.get("TEMP", "/tmp"), "workers", model, version, f"{worker}.json")  # noqa: S108


def started(path: Path) -> None:
    """Counts one more start. If the file cannot be written, that is logged and the model is served all the same."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, {"starts": _read(path).get("starts", 0) + 1})
    except OSError as error:
        logging.warning("expected to write %s, found %s: its restarts are not counted", path, error)


def loaded(path: Path, engine: Any) -> None:
    """Adds the name and the precision of the handler's engine; does nothing if `engine` lacks one of them."""
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
