"""Where things lie in the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".stack"
SECRETS = STATE / "secrets"
LOGS = STATE / "logs"
