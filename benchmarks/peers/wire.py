"""The bytes of one request to a peer, and what its answer means. Standard library and PyYAML only.

Every peer gets the same image file: raw where it takes a raw body, in its protocol's frame where not. A load generator
needs to know no more than a path, headers and a file with the body.
"""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.peer import Peer

JSON_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class WireRequest:
    """A POST request without its host; HTTP clients add Host and Content-Length."""

    path: str
    headers: Mapping[str, str]
    body: bytes


def frame(peer: Peer, model: str, image: Path) -> WireRequest:
    """Returns the request that asks `peer` what `model` sees in `image`."""
    content = image.read_bytes()
    if peer.body == "raw":
        content_type, body = mimetypes.guess_type(image.name)[0] or "application/octet-stream", content
    else:
        content_type, body = "application/json", v2_json(content)
    return WireRequest(peer.path.format(model=model), {"Content-Type": content_type, **peer.headers}, body)


def v2_json(content: bytes) -> bytes:
    """KServe's V2 inference protocol in JSON, the content as the only element of a BYTES tensor, in base64."""
    image = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"content_type": "base64"},
        "data": [base64.b64encode(content).decode()],
    }
    return json.dumps({"inputs": [image]}).encode()


def read_answer(peer: Peer, headers: Mapping[str, str], body: bytes) -> Any:
    """Extracts the model's answer from the peer's frame. Raises ValueError, KeyError or IndexError if it is missing."""
    if peer.answer == "v2-binary":
        # JSON of the length that the header says, then a BYTES element: its length in 4 bytes, and its content.
        return json.loads(body[int(headers[JSON_LENGTH]) + 4 :])
    answer = json.loads(body)
    if peer.answer == "predictions":
        return answer["predictions"][0]
    if peer.answer == "v2-json":
        return json.loads(answer["outputs"][0]["data"][0])
    return answer


def is_same(answer: Any, expected: Any, tolerance: float = 0.1) -> bool:
    """Compares answers: digits exactly, {label: probability} by the best expected label, within `tolerance`.

    An engine of less precision may swap neighbours among the five; the builder's accuracy gate sees to that.
    """
    if not isinstance(expected, dict):
        return bool(answer == expected)
    best = max(expected, key=lambda label: float(expected[label]))
    found = answer.get(best) if isinstance(answer, dict) else None
    return found is not None and abs(found - expected[best]) <= tolerance * expected[best]
