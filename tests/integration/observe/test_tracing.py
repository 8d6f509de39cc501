"""One request, followed by its id through the logs of edge, TorchServe and worker, and through the trace."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import DARK_PICTURE, write_brightness_model
from integration.support.observe.collector import Collector, Span
from integration.support.polling import wait_until
from integration.support.stack import Deployment
from integration.support.users import PROJECT_ROOT

MODEL = "brightness"
STAGES = ["queue", "decode", "inference", "encode"]
DEADLINE_S = 30
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Stopped by the last test."""
    made = Collector()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def stack(fresh_deployment: FreshDeployments, workspace: Path, collector: Collector) -> Deployment:
    """The cheapest model behind the edge; everything is logged and traced."""
    sources = workspace / "tracing-src"
    write_brightness_model(sources, MODEL)
    made = fresh_deployment(model_src=sources, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, ACCESS_LOG="all")
    made.build_models()
    made.start("torchserve", "edge")
    wait_until("both are healthy", lambda: made.health() == made.health("edge") == "healthy", 180)
    return made


def predict(stack: Deployment, request_id: str, body: bytes = DARK_PICTURE, **headers: str) -> requests.Response:
    headers = {"X-Request-Id": request_id, **headers}
    return requests.post(f"{stack.edge}/predictions/{MODEL}", data=body, headers=headers, timeout=DEADLINE_S)


def trace_of(collector: Collector, request_id: str) -> dict[str, Span]:
    """By name, once all are there; edge's is named for the method."""
    wait_until(f"the spans of {request_id}", lambda: len(collector.of(request_id)) >= 2 + len(STAGES), DEADLINE_S)
    spans = collector.of(request_id)
    assert len({span.name for span in spans}) == len(spans), spans
    return {span.name: span for span in spans}


def read_logs(stack: Deployment, *arguments: str) -> str:
    ended = run_command([str(PROJECT_ROOT / "scripts/stack"), "logs", *arguments], stack.environment())
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def test_one_request_is_followed_through_the_logs_and_the_trace(stack: Deployment, collector: Collector) -> None:
    assert predict(stack, "follow-me.1").status_code == 200
    spans = trace_of(collector, "follow-me.1")
    edge, prediction = spans["POST"], spans["prediction"]
    assert (edge.service, prediction.service) == ("edge", "torchserve")
    assert (edge.parent, prediction.parent) == ("", edge.id)
    stages = [spans[name] for name in STAGES]
    assert {stage.parent for stage in stages} == {prediction.id}
    assert edge.began <= prediction.began == stages[0].began
    assert prediction.ended <= edge.ended
    for before, after in pairwise(stages):
        assert before.began <= before.ended == after.began
    assert stages[-1].ended <= prediction.ended
    assert prediction.attributes == {
        "model": MODEL,
        "version": "1.0",
        "engine": prediction.attributes["engine"],
        "request_id": "follow-me.1",
        "batch_size": 1,
        "http.response.status_code": 200,
    }
    assert edge.attributes["url.path"] == f"/predictions/{MODEL}"
    assert (edge.attributes["model"], edge.attributes["http.response.status_code"]) == (MODEL, 200)

    lines = [json.loads(line) for line in read_logs(stack, MODEL, "--request", "follow-me.1", "--json").splitlines()]
    assert [line["service"] for line in lines].count("edge") == 1
    (access,) = [line for line in lines if line.get("logger") == "access"]
    assert (access["model"], access["version"], access["status"]) == (MODEL, "1.0", 200)
    (worker,) = [line for line in lines if "batch of 1: decode" in line.get("message", "")]
    assert f"-{MODEL}_1.0-" in worker["logger"]
    assert len(lines) == 3, lines
    shown = read_logs(stack, "--request", "follow-me.1").splitlines()
    assert len(shown) == 3
    assert all("follow-me.1" in line for line in shown)


def test_a_clients_trace_continues(stack: Deployment, collector: Collector) -> None:
    assert predict(stack, "continues", traceparent=f"00-{TRACE}-{PARENT}-01").status_code == 200
    spans = trace_of(collector, "continues")
    assert {span.trace for span in spans.values()} == {TRACE}
    assert spans["POST"].parent == PARENT


def test_a_client_that_does_not_sample_makes_no_span(stack: Deployment, collector: Collector) -> None:
    assert predict(stack, "unsampled", traceparent=f"00-{TRACE[::-1]}-{PARENT}-00").status_code == 200
    assert predict(stack, "later", traceparent="00-not-a-trace-01").status_code == 200
    spans = trace_of(collector, "later")
    assert spans["POST"].parent == ""
    assert not collector.of("unsampled")


def test_a_request_that_does_not_pass_the_edge_is_traced_too(stack: Deployment, collector: Collector) -> None:
    headers = {"X-Request-Id": "direct", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    url = f"{stack.inference}/predictions/{MODEL}"
    assert requests.post(url, data=b"no picture", headers=headers, timeout=DEADLINE_S).status_code == 400
    found = wait_until(
        "its span", lambda: [s for s in collector.spans if s.attributes.get("request_id") == "direct"], 30
    )
    assert (found[0].trace, found[0].parent) == (TRACE, PARENT)
    assert found[0].attributes["http.response.status_code"] == 400


def test_every_line_of_the_logs_is_a_json_object(stack: Deployment) -> None:
    for service in ("edge", "torchserve"):
        lines = stack.logs(service).splitlines()
        assert lines
        for line in lines:
            assert isinstance(json.loads(line), dict), line


def test_following_shows_what_comes_and_ends_with_ctrl_c(stack: Deployment) -> None:
    command = [str(PROJECT_ROOT / "scripts/stack"), "logs", "--request", "followed", "--follow", "--since", "1m"]
    with subprocess.Popen(
        command,
        env=stack.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the tests in its background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as following:
        assert following.stdout
        assert predict(stack, "followed").status_code == 200
        lines = [following.stdout.readline() for _ in range(3)]
        following.send_signal(signal.SIGINT)
        rest = following.stdout.read()
        assert following.wait(DEADLINE_S) == 0, rest
    assert all("followed" in line for line in lines), lines
    assert not rest


def test_without_the_collector_requests_are_answered_and_one_line_says_so(
    stack: Deployment, collector: Collector
) -> None:
    collector.stop()
    wait_until(
        "the edge says that spans are lost",
        lambda: predict(stack, "uncollected").status_code == 200 and "expected the collector" in stack.said("edge"),
        60,
    )
    for number in range(100):
        assert predict(stack, f"uncollected-{number}").status_code == 200
    assert stack.said("edge").count("expected the collector") == 1
