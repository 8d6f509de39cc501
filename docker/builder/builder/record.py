"""One entry of the manifest while it is made; contract/manifest.py has what becomes of it."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
