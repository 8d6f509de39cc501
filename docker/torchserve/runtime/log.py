"""What the entrypoint says, one JSON object a line, as Java's lines are (log4j2.xml)."""

import json
from datetime import datetime, timezone

_LEVELS = {"WARNING:": "WARN", "FAIL:": "ERROR"}


def log(line: str) -> None:
    """To stdout, at once; its first word says how bad it is."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    level = _LEVELS.get(line.partition(" ")[0], "INFO")
    said = {"time": now, "level": level, "logger": "entrypoint", "message": line}
    print(json.dumps(said, ensure_ascii=False), flush=True)
