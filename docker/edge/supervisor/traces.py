"""Creates the edge's spans from what HAProxy logs to a socket, and exports them over OTLP.

HAProxy makes the sampling decision, creates the IDs and passes its own span on (templates/trace.cfg.j2). It never waits
for this process: if the socket's queue is full, a line is dropped.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from supervisor.log import log

SOCKET = "spans.sock"
MAX_LINE_BYTES = 1 << 16
EXPORT_SECONDS, SCHEDULE_MS = 5, 1000
# The attributes that a span takes from HAProxy's line, by OpenTelemetry's conventional names where there are any.
ATTRIBUTES = {
    "method": "http.request.method",
    "path": "url.path",
    "status": "http.response.status_code",
    "model": "model",
    "version": "version",
    "request_id": "request_id",
    "routed": "routed",
}


class HAProxysIds(IdGenerator):
    """Returns the IDs that HAProxy created for the next span."""

    trace_id = span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class Spans:
    """Makes spans from HAProxy's lines in one thread, and exports them with `exporter` in the background."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._ids = HAProxysIds()
        provider = TracerProvider(ALWAYS_ON, Resource.create({SERVICE_NAME: "edge"}), id_generator=self._ids)
        # Its queue is bounded; spans that do not fit are dropped.
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=SCHEDULE_MS))
        self._tracer = provider.get_tracer("edge")
        self.provider = provider

    def add(self, line: bytes) -> None:
        """Makes a span from one line of HAProxy's log; ignores lines that are not sampled or not requests."""
        try:
            # HAProxy logs "-" where it has no value.
            said = {name: value for name, value in json.loads(line).items() if value != "-"}
            if said.get("sampled") == "1":
                self._make(said)
        except (KeyError, ValueError):  # cut off at HAProxy's maximum line length
            return

    def _make(self, said: dict[str, Any]) -> None:
        self._ids.trace_id, self._ids.span_id = int(said["trace_id"], 16), int(said["span_id"], 16)
        context = None
        if "parent_id" in said:
            parent = SpanContext(self._ids.trace_id, int(said["parent_id"], 16), True, TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(parent))
        attributes = {name: said[key] for key, name in ATTRIBUTES.items() if key in said}
        began, ended = (int(said[key]) * 1000 for key in ("began", "ended"))
        span = self._tracer.start_span(said["method"], context, SpanKind.SERVER, attributes, start_time=began)
        if int(said["status"]) >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=ended)


def start_spans(folder: Path) -> None:
    """Listens on folder/spans.sock and exports spans, in the background, until this process ends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # reads the environment

    quieten()
    spans = Spans(OTLPSpanExporter(timeout=EXPORT_SECONDS))
    path = folder / SOCKET
    path.unlink(missing_ok=True)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    threading.Thread(target=_receive, args=(receiver, spans), daemon=True).start()


def _receive(receiver: socket.socket, spans: Spans) -> None:
    while True:
        spans.add(receiver.recv(MAX_LINE_BYTES))


class OneWarning(logging.Handler):
    """Reports only once that spans are lost, so that a collector that is down does not flood the log."""

    said = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.said:
            self.said = True
            log(f"WARNING: expected the collector to accept spans, found {record.getMessage()[:300]}; logged once")


def quieten() -> None:
    """Redirects the SDK's own log to `OneWarning`."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [OneWarning(logging.WARNING)], False
