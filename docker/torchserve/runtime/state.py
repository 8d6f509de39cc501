"""The two files in TEMP through which the entrypoint tells the health check what to expect."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from runtime.manifest import Model, Verdict

TEMP = Path(os.environ.get("TEMP", "/home/model-server/tmp"))
_EXPECTED = ".stack-expected.json"
_DRAINING = ".stack-draining"


def write_expected(models: Sequence[Model], temp: Path = TEMP) -> None:
    """Records the models health must find READY, and the corrupt ones it must name."""
    document: dict[str, list[Any]] = {
        "served": [
            {"name": m.name, "version": m.version, "trained": m.trained} for m in models if m.verdict is Verdict.SERVED
        ],
        "corrupt": [m.label for m in models if m.verdict is Verdict.CORRUPT],
    }
    partial = temp / f"{_EXPECTED}.partial"
    partial.write_text(json.dumps(document), encoding="utf-8")
    partial.replace(temp / _EXPECTED)


def read_expected(temp: Path = TEMP) -> Optional[dict[str, list[Any]]]:
    """What the entrypoint recorded, or None while it is still verifying the manifest."""
    try:
        document: dict[str, list[Any]] = json.loads((temp / _EXPECTED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return document


def forget(temp: Path = TEMP) -> None:
    """Removes what an earlier run of the same container left, so health cannot judge by it."""
    for name in (_EXPECTED, _DRAINING):
        (temp / name).unlink(missing_ok=True)


def mark_draining(temp: Path = TEMP) -> None:
    """Turns health red while requests in flight finish, so that whoever routes requests stops sending new ones."""
    (temp / _DRAINING).touch()


def is_draining(temp: Path = TEMP) -> bool:
    """Whether a stop is under way."""
    return (temp / _DRAINING).exists()
