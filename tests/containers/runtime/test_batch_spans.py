"""With tracing, the worker turns a batch into a span per prediction, with its stages below it in their order."""

import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from runtime.torchserve import HOME

BEGAN = 1_700_000_000_000_000_000
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def spans_of(monkeypatch: pytest.MonkeyPatch, *headers: "dict[str, str]", status: int = 200) -> "list[ReadableSpan]":
    monkeypatch.setattr(sys, "path", [str(HOME / "ts"), *sys.path])
    from batch import Batch
    from batch_spans import Spans

    exporter = InMemorySpanExporter()
    spans = Spans(exporter, 1.0)
    spans.add(
        Batch(
            model="toy",
            version="1.0",
            engine="eager",
            ids=[f"r-{index}" for index in range(len(headers))],
            headers=list(headers),
            statuses=[status] * len(headers),
            began=BEGAN,
            ended=BEGAN + 4_000_000,
            stages={"decode": 0.001, "inference": 0.002, "encode": 0.0005},
        )
    )
    spans.provider.shutdown()
    return list(exporter.get_finished_spans())


def test_the_stages_follow_each_other_from_the_queue_on(monkeypatch: pytest.MonkeyPatch) -> None:
    *stages, prediction = spans_of(monkeypatch, {"x-stack-queued": str(BEGAN // 1000 - 500)})
    assert [stage.name for stage in stages] == ["queue", "decode", "inference", "encode"]
    assert (prediction.start_time, prediction.end_time) == (BEGAN - 500_000, BEGAN + 4_000_000)
    times = [(stage.start_time - BEGAN, stage.end_time - BEGAN) for stage in stages]
    assert times == [(-500_000, 0), (0, 1_000_000), (1_000_000, 3_000_000), (3_000_000, 3_500_000)]
    assert {stage.parent.span_id for stage in stages} == {prediction.context.span_id}
    assert prediction.parent is None


def test_a_clients_trace_continues_and_its_flag_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled, not_sampled = ({"traceparent": f"00-{TRACE}-{PARENT}-0{flag}"} for flag in (1, 0))
    spans = spans_of(monkeypatch, sampled, not_sampled)
    assert [span.attributes["request_id"] for span in spans if span.name == "prediction"] == ["r-0"]
    assert {span.context.trace_id for span in spans} == {int(TRACE, 16)}
    assert spans[-1].parent.span_id == int(PARENT, 16)


@pytest.mark.parametrize("headers", [{"traceparent": "00-none-01"}, {"x-stack-queued": "yesterday"}, {}])
def test_what_cannot_be_read_counts_as_not_sent(monkeypatch: pytest.MonkeyPatch, headers: "dict[str, str]") -> None:
    prediction = spans_of(monkeypatch, headers)[-1]
    assert (prediction.parent, prediction.start_time) == (None, BEGAN)


def test_a_failure_is_one_of_the_span(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not spans_of(monkeypatch, {}, status=503)[-1].status.is_ok
