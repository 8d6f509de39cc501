"""Find the image in a request: raw, in the form field `data`, as base64 text, or in JSON. Not for decoding it."""

import base64
import binascii
import json
from typing import Any, Union

from common.bad_image import BadImageError
from common.image_format import READABLE, format_of

EXPECTED = f'an image ({READABLE}), its base64 text or JSON {{"data": "<base64>"}}'
WHITESPACE = b" \t\r\n"


def body_of(request: dict) -> object:
    """Return the form field `data`, otherwise the raw body. Raises BadImageError for a form without that field."""
    for field in ("data", "body"):
        if request.get(field) is not None:
            return request[field]
    others = [name for name in request if name not in ("data", "body")]
    if others:
        raise BadImageError(f"expected the image in the form field `data`, found {_names(others, 'field')}")
    return request.get("body", b"")


def image_bytes(body: object) -> Union[bytes, bytearray]:
    """Turn a body from TorchServe into the bytes of a file in any format. Raises BadImageError."""
    if isinstance(body, (bytes, bytearray)):
        if format_of(body):
            return body
        if body.lstrip(WHITESPACE)[:1] in (b"{", b'"'):
            body = _parsed(body)
    if isinstance(body, dict):
        body = _member(body)
    if isinstance(body, str):
        # JSON may contain half of a UTF-16 surrogate pair, which is not base64 and must not raise here.
        body = body.encode(errors="replace")
    if not isinstance(body, (bytes, bytearray)):
        raise BadImageError(f"expected {EXPECTED}, found {_kind(body)}")
    if not body:
        raise BadImageError(f"expected {EXPECTED}, found an empty body")
    return body if format_of(body) else _from_base64(body)


def _parsed(text: Union[bytes, bytearray]) -> Any:
    """Parse JSON from a client that did not send exactly `Content-Type: application/json`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadImageError(f"expected {EXPECTED}, found text that is not JSON") from None


def _member(document: dict) -> Any:
    if "data" not in document:
        raise BadImageError(f'expected JSON {{"data": "<base64>"}}, found {_names(list(document), "key")}')
    return document["data"]


def _from_base64(text: Union[bytes, bytearray]) -> bytes:
    """Decode base64, possibly in several lines, or a data URL in base64. Raises BadImageError."""
    encoded = text.translate(None, WHITESPACE)
    if encoded[:5] == b"data:":
        head, _, encoded = encoded.partition(b",")
        if not head.endswith(b";base64"):
            raise BadImageError("expected a data URL in base64 (data:image/png;base64,…), found a different one")
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise BadImageError(f"expected {EXPECTED}, found {len(text):,} bytes of something else") from None
    if not data:
        raise BadImageError(f"expected {EXPECTED}, found base64 text without any data")
    return data


def _kind(value: object) -> str:
    """Name a value's type as JSON does, because only JSON has values of these types."""
    kinds = {dict: "an object", list: "a list", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _names(names: list, kind: str) -> str:
    """List the first names, shortened because a client may have sent anything."""
    if not names:
        return f"no {kind}"
    shown = ", ".join(f"`{str(name)[:40]}`" for name in names[:5])
    return f"the {kind}{'s' if len(names) > 1 else ''} {shown}{', …' if len(names) > 5 else ''}"
