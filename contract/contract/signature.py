"""What is signed of a record of the manifest: the builder signs these bytes, and the runtime verifies them.

Each record carries a signature by itself (DSSE, https://github.com/secure-systems-lab/dsse), so that an altered record
costs its own model alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PAYLOAD_TYPE = "application/vnd.torchserve-stack.record+json"
# A pending successor carries a signature too.
NOT_SIGNED = ("signature", "pending")


def payload(record: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: compact JSON with sorted keys, ASCII."""
    content = {key: value for key, value in record.items() if key not in NOT_SIGNED}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
