"""The paths of the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STATE = ROOT / ".stack"
SECRETS = STATE / "secrets"
LOGS = STATE / "logs"
CONFIG = ROOT / "config.properties"


def shown(path: Path) -> str:
    """Returns the path as a user in the checkout would type it."""
    path = path.resolve()
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
