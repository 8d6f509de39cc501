"""Exports the worker's spans over OTLP: one per prediction, with queue, decode, inference and encode below it.

This module is imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set. The stages of a batch are recorded for each of its
requests.
"""

import logging
import os
import sys
from typing import Any

from batch import Batch
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

# The header that ModelQueue.java sets to when the request entered its model's queue, in microseconds since 1970.
QUEUED = "x-stack-queued"
EXPORT_SECONDS, SCHEDULE_MS = 5, 1000
_PROPAGATOR = TraceContextTextMapPropagator()


class Spans:
    """Makes a batch's spans and exports them in the background; drops spans while the export queue is full.

    ratio: the share (0 to 1) to sample of the traces that begin here rather than at a client or at the edge.
    """

    def __init__(self, exporter: SpanExporter, ratio: float) -> None:
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self.provider = TracerProvider(sampler, Resource.create({SERVICE_NAME: "torchserve"}))
        self.provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SCHEDULE_MS))
        self._tracer = self.provider.get_tracer("worker")

    def add(self, batch: Batch) -> None:
        """Records the spans of each of the batch's requests."""
        for index in range(len(batch.ids)):
            self._add_prediction(batch, index)

    def _add_prediction(self, batch: Batch, index: int) -> None:
        headers, status = batch.headers[index], batch.statuses[index]
        queued = _queued(headers, batch.began)
        attributes = {
            "model": batch.model,
            "version": batch.version,
            "engine": batch.engine,
            "request_id": batch.ids[index],
            "batch_size": len(batch.ids),
            "http.response.status_code": status,
        }
        parent = _PROPAGATOR.extract(headers)
        span = self._tracer.start_span("prediction", parent, SpanKind.SERVER, attributes, start_time=queued)
        if span.is_recording():
            below = set_span_in_context(span)
            at = batch.began
            self._tracer.start_span("queue", below, start_time=queued).end(at)
            for name, seconds in batch.stages.items():
                ended = min(at + round(seconds * 1e9), batch.ended)
                self._tracer.start_span(name, below, start_time=at).end(ended)
                at = ended
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        span.end(batch.ended)


def _queued(headers: "dict[str, Any]", began: int) -> int:
    """Returns when the request was queued, in nanoseconds since 1970; `began` if that is unknown or would be later."""
    try:
        return min(int(headers[QUEUED]) * 1000, began)
    except (KeyError, ValueError):
        return began


def exporting() -> "Any":
    """Returns an observer that makes and exports a batch's spans as configured by the environment (OTEL_*)."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # imports requests

    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [OneWarning(logging.WARNING)], False
    ratio = float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1)
    return Spans(OTLPSpanExporter(timeout=EXPORT_SECONDS), ratio).add


class OneWarning(logging.Handler):
    """Reports only once that spans are lost, whereas the SDK does so for every export while the collector is down."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.said:
            self.said = True
            print(f"WARNING: expected the collector to accept spans, found {record.getMessage()[:300]}; logged once")
            sys.stdout.flush()
