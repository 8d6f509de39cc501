"""The metrics match what a client counts, by model, version and outcome: the number of answers and their latency."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from integration.support.clients.grpc_inference import InferenceClient, compile_messages
from integration.support.fresh import Workshop
from integration.support.observe.series import Series
from integration.support.polling import wait_until
from integration.support.processes import kill
from integration.support.stack import Deployment, session
from integration.support.store import entry_of
from integration.support.users import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs/reference/metrics.md"
OURS = ("model_", "container_", "jvm_", "process_", "edge_")
# Python's own client adds these by itself.
PYTHONS = ("process_virtual_memory_bytes", "process_open_fds", "process_max_fds")
REQUESTS = 1000
OVER_GRPC = 40
# (path, whether the body is an image): good, another version, bad, nowhere, no such version.
MIX = [
    *[("mnist", True)] * 5,
    *[("mnist/2.0", True)] * 3,
    ("mnist/2.0", False),
    ("mnist", False),
    ("made-up", True),
    ("mnist/9.9", True),
]
NOBODY = ("-", "-")


@dataclass
class Counted:
    """A client's counts: answers by (model, version, outcome), seconds by (model, version) of the good ones."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    answered_by_worker: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, version: tuple[str, str], status: int, seconds: float) -> None:
        model, number = version
        self.outcomes[(model, number, f"{status // 100}xx")] += 1
        if version != NOBODY:
            self.answered_by_worker[version] += 1
        if status == 200:
            self.seconds.setdefault(version, []).append(seconds)


@pytest.fixture(scope="module")
def mixed(running_stack: Deployment, seven: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Counted, Series]:
    """1,000 requests of all kinds, four at a time, and what the series have gained by them."""
    url, metrics = running_stack.inference, running_stack.metrics
    before, counted, image = Series.scrape(metrics), Counted(), seven.read_bytes()

    def ask(number: int) -> tuple[tuple[str, str], int, float]:
        path, good = MIX[number % len(MIX)]
        began = time.perf_counter()
        answer = session.post(f"{url}/predictions/{path}", data=image if good else b"no image", timeout=60)
        seconds = time.perf_counter() - began
        if number % 10 == 0:
            session.get(f"{url}/ping", timeout=10)
        name, _, version = path.partition("/")
        served = name == "mnist" and version != "9.9"
        return ((name, version or "1.0") if served else NOBODY), answer.status_code, seconds

    with ThreadPoolExecutor(4) as clients:
        for answered in clients.map(ask, range(REQUESTS)):
            counted.add(*answered)
    address = f"127.0.0.1:{running_stack.ports.grpc_inference}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        client = InferenceClient(channel, compile_messages(tmp_path_factory.mktemp("messages")))
        for _ in range(OVER_GRPC):
            assert client.predict("mnist", image) == b"7"
    assert sum(counted.outcomes.values()) == REQUESTS
    return counted, wait_for_batches(metrics, before, sum(counted.answered_by_worker.values()) + OVER_GRPC)


def wait_for_batches(metrics: str, before: Series, requests: int) -> Series:
    """A batch is counted when its worker asks for the next one."""
    gained = before

    def all_counted() -> bool:
        nonlocal gained
        gained = Series.scrape(metrics).since(before)
        return gained.total("model_batch_size_sum", model="mnist") >= requests

    wait_until(f"batches of {requests} requests are counted", all_counted, deadline_s=10)
    return gained


def test_every_answer_is_counted_once_by_its_outcome_and_no_ping_is(mixed: tuple[Counted, Series]) -> None:
    counted, gained = mixed
    for model, version in (("mnist", "1.0"), ("mnist", "2.0"), NOBODY):
        for outcome in ("2xx", "4xx", "5xx"):
            seen = gained.total("model_requests_total", model=model, version=version, outcome=outcome, protocol="http")
            assert seen == counted.outcomes[(model, version, outcome)], (model, version, outcome)
    assert gained.total("model_requests_total", protocol="http") == REQUESTS
    assert gained.total("model_requests_total", protocol="grpc") == OVER_GRPC


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_histograms_and_stages_count_the_same_requests(mixed: tuple[Counted, Series], version: str) -> None:
    counted, gained = mixed
    over_grpc = OVER_GRPC if version == "1.0" else 0
    labels = {"model": "mnist", "version": version}
    answered = counted.answered_by_worker[("mnist", version)] + over_grpc
    good = counted.outcomes[("mnist", version, "2xx")] + over_grpc
    assert gained.total("model_request_duration_seconds_count", **labels) == good
    assert gained.total("model_batch_size_sum", **labels) == answered
    for stage in ("queue", "decode", "encode"):
        assert gained.total("model_stage_duration_seconds_count", stage=stage, **labels) == answered, stage
    inferred = gained.total("model_stage_duration_seconds_count", stage="inference", **labels)
    # A refused image shares the inference of the batch that it was in, where there was one.
    assert good <= inferred <= answered


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_the_99th_percentile_is_within_a_bucket_of_the_clients(mixed: tuple[Counted, Series], version: str) -> None:
    counted, gained = mixed
    seconds = sorted(counted.seconds[("mnist", version)])
    of_client = seconds[math.ceil(0.99 * len(seconds)) - 1]
    labels = {"model": "mnist", "version": version}
    lower, upper = gained.bucket("model_request_duration_seconds", 0.99, **labels)
    bounds = sorted({float(pairs["le"]) for pairs, _ in gained.found("model_request_duration_seconds_bucket", labels)})
    next_bound = next((bound for bound in bounds if bound > upper), math.inf)
    # The client's time has its own and the network's in it.
    assert lower <= of_client <= next_bound, f"client {of_client:.4f} s, series ({lower}, {upper}]"


def test_what_is_served_is_said_with_its_origin_and_accuracy(running_stack: Deployment) -> None:
    now = Series.scrape(running_stack.metrics)
    ((info, value),) = now.found("model_info", {"model": "mnist", "version": "1.0"})
    record = entry_of(running_stack.model_store, "mnist", "1.0")
    assert value == 1
    assert (info["sha256"], info["trained"], info["weights"]) == (record["sha256"], "true", record["weights"]["origin"])
    assert float(info["accuracy"]) == record["accuracy"]["top1"]
    assert info["engine"] == "openvino"


def test_the_page_lists_every_series_and_no_other(running_stack: Deployment) -> None:
    ask = "import urllib.request; print(urllib.request.urlopen('http://localhost:8405/metrics').read().decode())"
    told = session.get(running_stack.metrics, timeout=10).text + running_stack.execute(
        "python3", "-c", ask, service="edge"
    )
    types = re.findall(r"^# TYPE (\w+) ", told, re.MULTILINE)
    seen = {name for name in types if name.startswith(OURS) and name not in PYTHONS}
    listed = {name for name in re.findall(r"`(\w+)`", PAGE.read_text()) if name.startswith(OURS)}
    only_with_tls = {"edge_certificate_expiry_timestamp_seconds"}
    assert listed - only_with_tls == seen - only_with_tls


def test_a_killed_worker_is_counted_and_seen_again(workshop: Workshop, workshop_stack: Deployment) -> None:
    metrics, labels = workshop_stack.metrics, {"model": "mnist", "version": "1.0"}
    before = Series.scrape(metrics)
    ready = before.total("model_workers", state="ready", **labels)
    kill(workshop_stack, workshop_stack.workers("mnist", "1.0")[0]["pid"])

    def restarts() -> bool:
        return Series.scrape(metrics).since(before).total("model_worker_restarts_total", **labels) == 1

    def is_back() -> bool:
        return Series.scrape(metrics).total("model_workers", state="ready", **labels) == ready

    wait_until("one restart is counted", restarts, deadline_s=30)
    wait_until("as many workers are READY as before", is_back, deadline_s=60)
