"""Writes dashboards/*.json; docker/grafana/generate runs it."""

from __future__ import annotations

import json
from pathlib import Path

from boards.document import dashboard_json
from boards.hardware import HARDWARE
from boards.model import MODEL
from boards.overview import OVERVIEW
from boards.workers import WORKERS_AND_JVM

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"


def files() -> dict[str, str]:
    """Returns {name of a file in `dashboards`: its text}."""
    boards = (OVERVIEW, MODEL, WORKERS_AND_JVM, HARDWARE)
    return {
        f"{board.uid.partition('-')[2]}.json": json.dumps(dashboard_json(board), indent=2, ensure_ascii=False) + "\n"
        for board in boards
    }


def write() -> None:
    for name, text in files().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    write()
