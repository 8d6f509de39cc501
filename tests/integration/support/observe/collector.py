"""A small OpenTelemetry collector: takes OTLP over HTTP on this machine and keeps the spans."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from integration.support.stack import docker_engine


@dataclass(frozen=True)
class Span:
    """Ids in hexadecimal, `parent` "" for a root; `began` and `ended` in nanoseconds since 1970."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: dict[str, object]


class Collector:
    """Listens where containers reach this machine, until `stop`."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                spans.extend(spans_in(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Logs nothing, because the tests report what they find."""

        (network,) = docker_engine.networks.list(names=["^bridge$"])
        gateway = docker_engine.networks.get(str(network.id)).attrs["IPAM"]["Config"][0]["Gateway"]
        self._server = ThreadingHTTPServer((gateway, 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://{gateway}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()

    def of(self, request_id: str) -> list[Span]:
        """Returns the spans of the traces in which a span names the request."""
        traces = {span.trace for span in self.spans if span.attributes.get("request_id") == request_id}
        return [span for span in self.spans if span.trace in traces]


def spans_in(body: bytes) -> list[Span]:
    """Reads the spans of an ExportTraceServiceRequest."""
    found = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = next(item.value.string_value for item in resource.resource.attributes if item.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {
                    item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value")
                    for item in span.attributes
                }
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                found.append(Span(service, span.name, *ids, *times, attributes))
    return found
