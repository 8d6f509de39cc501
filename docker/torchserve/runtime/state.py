"""The file in TEMP through which the entrypoint tells healthcheck.sh what it found."""

import os
import time
from pathlib import Path

TEMP = Path(os.environ.get("TEMP", "/home/model-server/tmp"))
_VERDICT = ".stack-health"


def publish(healthy: bool, line: str, temp: Path = TEMP) -> None:
    """Writes the verdict: seconds since boot (a verdict gets old), Docker's exit status (0 is healthy), the line."""
    partial = temp / f"{_VERDICT}.partial"
    now = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    partial.write_text(f"{now} {0 if healthy else 1} {line}\n", encoding="utf-8")
    partial.replace(temp / _VERDICT)


def forget(temp: Path = TEMP) -> None:
    """Removes what an earlier run of the same container left, so that nobody judges by it."""
    (temp / _VERDICT).unlink(missing_ok=True)
