"""Port 8082 counts each request once, by model and outcome, and never by names that a client makes up."""

import os
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from front_end import wait_until
from toy import exchange, get, predict, series, serving, waiting, worker_pid

VERSION = 'model="toy",version="1.0",'
NOBODY = 'model="-",version="-",'
QUEUE = 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server with a short queue."""
    folder = tmp_path_factory.mktemp("metrics")
    with serving(folder, job_queue_size=str(QUEUE)):
        yield folder


def requests(outcome: str, labels: str = VERSION) -> str:
    return f'model_requests_total{{{labels}outcome="{outcome}",protocol="http",}}'


def gained(before: dict[str, float]) -> dict[str, float]:
    """Returns the changed counters, including histograms' counts, without TorchServe's own."""
    kinds = re.compile(r"model_(requests_total|batch_size_(count|sum)|(request|stage)_duration_seconds_count)\b")
    return {
        name: value - before.get(name, 0)
        for name, value in series().items()
        if kinds.match(name) and value != before.get(name, 0)
    }


def refused(path: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:8080{path}", b"x")
    with caught.value as answer:
        return answer.status


def test_a_prediction_is_counted_once_with_its_stages_and_a_ping_never(served: Path) -> None:
    before = series()
    urllib.request.urlopen("http://127.0.0.1:8080/ping").close()
    exchange(get("/ready"))
    predict(b"x")
    predict(b"y")
    wait_until(lambda: gained(before).get(f"model_batch_size_count{{{VERSION}}}") == 2, "both batches to be over")
    stages = {
        f'model_stage_duration_seconds_count{{{VERSION}stage="{s}",}}': 2.0 for s in ("queue", "inference", "encode")
    }
    assert gained(before) == {
        requests("2xx"): 2,
        f"model_request_duration_seconds_count{{{VERSION}}}": 2,
        f"model_batch_size_count{{{VERSION}}}": 2,
        f"model_batch_size_sum{{{VERSION}}}": 2,
        **stages,
    }


def test_what_clients_make_up_becomes_no_series(served: Path) -> None:
    before = series()
    assert [refused(f"/predictions/{path}") for path in ("made-up", "toy/9.9", "made%20up")] == [404, 404, 404]
    assert gained(before) == {requests("4xx", NOBODY): 3}
    assert not [name for name in series() if "made" in name or "9.9" in name]


OTHER_WAYS = (
    "/explanations/toy",
    "/models/toy/invoke",
    "/invocations?model_name=toy",
    "/v1/models/toy:predict",
    "/v1/models/toy:explain",
    "/v2/models/toy/infer",
    "/v2/models/toy/explain",
    "/toy/predict",
    "/toy/1.0/predict",
)


@pytest.mark.parametrize("path", OTHER_WAYS)
def test_torchserves_other_ways_to_ask_are_counted_and_timed_too(served: Path, path: str) -> None:
    before = series()
    urllib.request.urlopen(f"http://127.0.0.1:8080{path}", b"x").close()
    gains = gained(before)
    assert (gains[requests("2xx")], gains[f"model_request_duration_seconds_count{{{VERSION}}}"]) == (1, 1)


def test_a_version_that_kserve_names_is_counted_with_torchserves_refusal(served: Path) -> None:
    before = series()
    assert refused("/v2/models/toy/versions/1.0/infer") == 404
    assert refused("/v2/models/toy/versions/9.9/infer") == 404
    assert gained(before) == {requests("4xx"): 1, requests("4xx", NOBODY): 1}


def test_a_prediction_that_names_no_model_is_counted_too(served: Path) -> None:
    before = series()
    assert refused("/predictions") == 404
    assert gained(before) == {requests("4xx", NOBODY): 1}


def test_what_kserve_asks_about_a_model_is_no_prediction(served: Path) -> None:
    before = series()
    assert [refused(f"/v2/{path}") for path in ("models/toy", "models/toy/ready", "health/ready")] == [404, 404, 404]
    assert gained(before) == {}


def test_the_answer_says_what_its_time_went_to(served: Path) -> None:
    with urllib.request.urlopen("http://127.0.0.1:8080/predictions/toy", b"x") as answer:
        timing = answer.headers["Server-Timing"]
    assert re.fullmatch(r"queue;dur=\d+\.\d{3}, inference;dur=\d+\.\d{3}, encode;dur=\d+\.\d{3}", timing)


def test_a_queue_that_fills_is_seen_and_its_refusals_are_5xx(served: Path) -> None:
    computing = served / "computing"
    before = series()
    with ThreadPoolExecutor(QUEUE + 1) as clients:
        first = clients.submit(predict, str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(predict, b"waiting") for _ in range(QUEUE)]
        wait_until(lambda: waiting() == QUEUE, "the queue to be full")
        assert refused("/predictions/toy") == 503
        now = series()
        computing.unlink()
        for client in (first, *others):
            client.result()
    assert now[f"model_queue_depth{{{VERSION}}}"] == now[f"model_queue_capacity{{{VERSION}}}"] == QUEUE
    assert now[f"model_requests_in_flight{{{VERSION}}}"] == QUEUE + 1
    assert gained(before)[requests("5xx")] == 1
    wait_until(lambda: series()[f"model_requests_in_flight{{{VERSION}}}"] == 0, "nothing to be in flight")


def test_a_client_that_leaves_is_not_in_flight_for_ever(served: Path) -> None:
    computing = served / "left"
    request = urllib.request.Request("http://127.0.0.1:8080/predictions/toy", str(computing).encode())
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(request, timeout=0.5)
    wait_until(computing.exists, "the worker to compute")
    wait_until(lambda: series()[f"model_requests_in_flight{{{VERSION}}}"] == 0, "no request to be in flight")
    computing.unlink()


def test_a_killed_worker_is_a_restart_and_its_successor_is_seen(served: Path) -> None:
    before, killed = series(), worker_pid()
    restarts, ready = f"model_worker_restarts_total{{{VERSION}}}", f'model_workers{{{VERSION}state="ready",}}'
    assert before[ready] == 1
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: series()[restarts] == before[restarts] + 1, "the restart to be counted")
    wait_until(lambda: series()[ready] == 1, "the successor to be READY")
    worker = [name for name in series() if name.startswith(f"model_worker_memory_bytes{{{VERSION}")]
    assert len(worker) == 1
    assert series()[worker[0]] > 1 << 20


def test_java_and_the_container_are_measured_too(served: Path) -> None:
    now = series()
    for name in ('jvm_memory_bytes_used{area="heap",}', "process_cpu_seconds_total", "container_memory_bytes"):
        assert now[name] > 0
