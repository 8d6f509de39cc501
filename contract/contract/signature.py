"""Returns the bytes of a manifest record that the builder signs and the runtime verifies.

Each record has its own signature (DSSE, https://github.com/secure-systems-lab/dsse), so that an altered record
affects its own model only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PAYLOAD_TYPE = "application/vnd.torchserve-stack.record+json"
# A pending successor has its own signature.
NOT_SIGNED = ("signature", "pending")


def payload(record: Mapping[str, Any]) -> bytes:
    """Returns the signed bytes: compact JSON with sorted keys, ASCII."""
    content = {key: value for key, value in record.items() if key not in NOT_SIGNED}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
