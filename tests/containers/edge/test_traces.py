"""HAProxy's log lines become spans with its IDs and times, except unsampled or incomplete ones."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from supervisor.traces import OneWarning, Spans, quieten

TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7", "b7ad6b7169203331"


def line(**changes: Any) -> bytes:
    said = {
        "request_id": "r-1",
        "method": "POST",
        "path": "/predictions/m",
        "model": "m",
        "version": "1.0",
        "routed": "-",
        "status": 200,
        "trace_id": TRACE,
        "span_id": SPAN,
        "parent_id": "-",
        "sampled": "1",
        "began": "1700000000000001",
        "ended": "1700000000000101",
    }
    return json.dumps({**said, **changes}).encode()


def spans_of(*lines: bytes) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    spans = Spans(exporter)
    for one in lines:
        spans.add(one)
    spans.provider.shutdown()
    return list(exporter.get_finished_spans())


def test_a_span_has_haproxys_ids_times_and_facts() -> None:
    (span,) = spans_of(line())
    assert (span.context.trace_id, span.context.span_id, span.parent) == (int(TRACE, 16), int(SPAN, 16), None)
    assert (span.start_time, span.end_time) == (1_700_000_000_000_001_000, 1_700_000_000_000_101_000)
    assert span.attributes == {
        "http.request.method": "POST",
        "url.path": "/predictions/m",
        "http.response.status_code": 200,
        "model": "m",
        "version": "1.0",
        "request_id": "r-1",
    }
    assert span.status.is_unset


def test_a_clients_span_is_the_parent() -> None:
    (span,) = spans_of(line(parent_id=PARENT))
    assert span.parent
    assert (span.parent.trace_id, span.parent.span_id) == (int(TRACE, 16), int(PARENT, 16))


def test_a_server_error_is_one_of_the_span() -> None:
    bad, refused = spans_of(line(status=503), line(status=404))
    assert (bad.status.is_ok, refused.status.is_unset) == (False, True)


def test_what_is_not_sampled_or_cut_makes_no_span() -> None:
    assert not spans_of(line(sampled="0"), line()[:-20], line(span_id="x"), b"", b'{"client": "1.2.3.4", "error": "-"}')


def test_a_collector_that_is_down_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    quieten()
    for number in range(3):
        logging.getLogger("opentelemetry.exporter").error("attempt %d: refused", number)
    said = capsys.readouterr().out
    assert said.count("expected the collector to accept spans, found attempt 0: refused") == 1
    assert "attempt 1" not in said
    assert isinstance(logging.getLogger("opentelemetry").handlers[0], OneWarning)
