"""The files in TEMP through which the entrypoint tells healthcheck.sh what it found, and is told what was deployed."""

import json
import os
import time
from pathlib import Path
from typing import Any

TEMP = Path(os.environ.get("TEMP", "/home/model-server/tmp"))
# The configuration that Java starts with.
CONFIG = "config.properties"
_VERDICT, _DEPLOYED = ".stack-health", ".stack-deployed"


def publish(healthy: bool, line: str, temp: Path = TEMP) -> None:
    """Writes the verdict: seconds since boot (a verdict gets old), Docker's exit status (0 is healthy), the line."""
    partial = temp / f"{_VERDICT}.partial"
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    partial.write_text(f"{now} {0 if healthy else 1} {line}\n", encoding="utf-8")
    partial.replace(temp / _VERDICT)


def forget(temp: Path = TEMP) -> None:
    """Removes what an earlier run of the same container left, so that nobody judges by it."""
    for name in (_VERDICT, _DEPLOYED):
        (temp / name).unlink(missing_ok=True)


def deployed(temp: Path = TEMP) -> "list[dict[str, Any]]":
    """What was added since the container's start: name, version and whether it is trained, each."""
    path = temp / _DEPLOYED
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def keep_deployed(versions: "list[dict[str, Any]]", temp: Path = TEMP) -> None:
    """For the entrypoint, whose health checks count them in from its next look."""
    partial = temp / f"{_DEPLOYED}.partial"
    partial.write_text(json.dumps(versions), encoding="utf-8")
    partial.replace(temp / _DEPLOYED)
