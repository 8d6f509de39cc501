"""Chooses the observers of answered batches: spans, a line in the log, or, by default, none."""

import logging
import os
from typing import Any, Callable

from batch import Batch, request_id

Observer = Callable[[Batch], None]


def observers() -> list[Observer]:
    """Returns the observers that the environment enables; none by default."""
    found: list[Observer] = []
    if os.environ.get("ACCESS_LOG") == "all":
        found.append(log_batch)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        import batch_spans  # here, so that it costs nothing if nothing is traced

        found.append(batch_spans.exporting())
    return found


def log_batch(batch: Batch) -> None:
    """Logs one line with the batch's stages in milliseconds, which `FORMATTER` prefixes with the IDs."""
    spent = ", ".join(f"{name} {seconds * 1000:.3f} ms" for name, seconds in batch.stages.items()) or "failed"
    logging.info("batch of %d: %s", len(batch.ids), spent)


# The prefix of a metric from ts.metrics, which Java parses.
METRIC = "[METRICS]"


class IdFormatter(logging.Formatter):
    """Prefixes every line, even of a traceback, with the current batch's IDs, because Java logs lines separately."""

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
