"""What else may be made of a batch that was answered: spans, or a line in the log; by default nothing is."""

import logging
import os
from typing import Any, Callable, NamedTuple


class Batch(NamedTuple):
    """A batch that is answered.

    `headers`: each request's, by lower-case name; `ids`: what each calls itself, else TorchServe's id; `statuses`: each
    answer's. `began`, `ended`: nanoseconds since 1970; `stages`: seconds by name, in their order; none of a batch that
    failed.
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


Observer = Callable[[Batch], None]


def observers() -> list[Observer]:
    """Those that the environment asks for."""
    found: list[Observer] = []
    if os.environ.get("ACCESS_LOG") == "all":
        found.append(log_batch)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        import batch_spans  # costs nothing where nothing is traced

        found.append(batch_spans.exporting())
    return found


def log_batch(batch: Batch) -> None:
    """One line: the batch's stages in milliseconds; `FORMATTER` puts the ids before it."""
    spent = ", ".join(f"{name} {seconds * 1000:.3f} ms" for name, seconds in batch.stages.items()) or "failed"
    logging.info("batch of %d: %s", len(batch.ids), spent)


# How ts.metrics writes a metric, for Java to read.
METRIC = "[METRICS]"


class IdFormatter(logging.Formatter):
    """Puts the ids of the requests in hand before every line, those of a traceback too: Java logs each by itself."""

    def __init__(self) -> None:
        super().__init__("%(message)s")
        self.requests: list[Any] = []

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self.requests or text.startswith(METRIC):
            return text
        head = f"[{' '.join(map(request_id, self.requests))}] "
        return "\n".join(head + line for line in text.split("\n"))


FORMATTER = IdFormatter()


def request_id(request: Any) -> str:
    """What an otf_codec.Request calls itself (X-Request-Id), else TorchServe's id."""
    return str(lower_case(request.headers).get("x-request-id") or request.id)


def lower_case(headers: dict[str, Any]) -> dict[str, Any]:
    """A form's fields are among them, each with a dict of its own: left out."""
    return {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
