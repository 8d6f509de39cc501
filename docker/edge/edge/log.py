"""What the supervisor and HAProxy say of themselves, one JSON object a line, as the access log is."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone
from typing import TextIO

# What HAProxy says at every reload and of every health check that goes well: nobody has to act on it.
_HAPROXY_LEVELS = {"[NOTICE]": "", "[WARNING]": "WARN", "[ALERT]": "ERROR"}
_WORD_LEVELS = {"WARNING:": "WARN", "FAIL:": "ERROR"}


def log(line: str) -> None:
    """To stdout, at once; its first word says how bad it is."""
    write(_WORD_LEVELS.get(line.partition(" ")[0], "INFO"), "edge", line)


def write(level: str, logger: str, message: str) -> None:
    """One line, whole: several threads write."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"time": now, "level": level, "logger": logger, "message": message}
    sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def follow_haproxy(stderr: TextIO) -> None:
    """In the background until HAProxy ends: its warnings and alerts to the log, its notices nowhere."""
    threading.Thread(target=_pass_on, args=(stderr,), daemon=True).start()


def _pass_on(stderr: TextIO) -> None:
    for line in stderr:
        text = line.strip()
        level = _HAPROXY_LEVELS.get(text.partition(" ")[0], "INFO")
        if text and level:
            write(level, "haproxy", text)
