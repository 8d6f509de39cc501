"""Describes an answered batch with its requests' IDs and headers, for batch_observers."""

from typing import Any, NamedTuple


class Batch(NamedTuple):
    """An answered batch, as its observers see it.

    `ids`, `headers` and `statuses` have one entry per request: the ID (see `request_id`), the headers by lower-case
    name, and the HTTP status of the answer. `began` and `ended` are nanoseconds since 1970. `stages` holds seconds by
    stage, in the order in which they ran; it is empty if the batch failed.
    """

    model: str
    version: str
    engine: str
    ids: list[str]
    headers: list[dict[str, Any]]
    statuses: list[int]
    began: int
    ended: int
    stages: dict[str, float]


def request_id(request: Any) -> str:
    """Returns the ID that the client gave to an otf_codec.Request (X-Request-Id), or TorchServe's own."""
    return str(lower_case(request.headers).get("x-request-id") or request.id)


def lower_case(headers: dict[str, Any]) -> dict[str, Any]:
    """Returns the headers by lower-case name, without a form's fields, which come as dicts."""
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
