"""One entry of the manifest while the builder makes it; contract/manifest.py describes the finished one."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
