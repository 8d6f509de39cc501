"""Formats a line of a container's log as Java does (log4j2.xml): JSON with `time`, `level`, `logger`, `message`."""

from __future__ import annotations

import json
from datetime import datetime, timezone

_LEVELS = {"WARNING:": "WARN", "FAIL:": "ERROR"}


def log_line(level: str, logger: str, message: str) -> str:
    """Returns the line, including the newline."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "level": level, "logger": logger, "message": message}, ensure_ascii=False) + "\n"


def level_of(message: str) -> str:
    """Returns the level that a message's first word implies: `WARNING:` or `FAIL:`, else INFO."""
    return _LEVELS.get(message.partition(" ")[0], "INFO")
