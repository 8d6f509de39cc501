"""Chooses what else is made of a batch that was answered: spans, a line in the log, or, by default, nothing."""

import logging
import os
from typing import Any, Callable

from batch import Batch, request_id

Observer = Callable[[Batch], None]


def observers() -> list[Observer]:
    """Returns the observers that the environment asks for."""
    found: list[Observer] = []
    if os.environ.get("ACCESS_LOG") == "all":
        found.append(log_batch)
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        import batch_spans  # here, so that it costs nothing where nothing is traced

        found.append(batch_spans.exporting())
    return found


def log_batch(batch: Batch) -> None:
    """Writes one line with the batch's stages in milliseconds; `FORMATTER` puts the ids in front of it."""
    spent = ", ".join(f"{name} {seconds * 1000:.3f} ms" for name, seconds in batch.stages.items()) or "failed"
    logging.info("batch of %d: %s", len(batch.ids), spent)


# How ts.metrics writes a metric, for Java to read.
METRIC = "[METRICS]"


class IdFormatter(logging.Formatter):
    """Puts the ids of the batch in hand in front of every line, also within a traceback: Java logs each line apart."""

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
