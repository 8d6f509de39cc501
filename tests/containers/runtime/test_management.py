"""TorchServe's own management API ends workers as requested, by running its image's program `kill`."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from front_end import is_running, wait_until
from toy import SECONDS, predict, serving


@pytest.fixture
def served(tmp_path: Path) -> Iterator[None]:
    """A server whose model API is enabled."""
    with serving(tmp_path, enable_model_api="true"):
        yield


def ask(method: str, path: str) -> "tuple[int, Any]":
    """Returns the status and the JSON of a successful request."""
    request = urllib.request.Request(f"http://127.0.0.1:8081/models{path}", method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return answer.status, json.load(answer)


def worker_pids() -> "set[int]":
    _, ((described,)) = ask("GET", "/toy")
    return {worker["pid"] for worker in described["workers"] if worker["status"] == "READY"}


def scaled_to(workers: int) -> "set[int]":
    """Returns the workers' processes after a synchronous request for this many."""
    status, _ = ask("PUT", f"/toy?min_worker={workers}&max_worker={workers}&synchronous=true")
    assert status == 200
    pids = worker_pids()
    assert len(pids) == workers
    return pids


def test_fewer_workers_are_asked_for_and_the_others_end(served: None) -> None:
    three = scaled_to(3)
    one = scaled_to(1)
    assert one < three
    wait_until(lambda: not any(map(is_running, three - one)), "the other workers to end")
    assert predict(b"x")["batch"] == 1


def test_a_model_that_is_deleted_is_gone_with_its_workers(served: None) -> None:
    workers = scaled_to(2)
    assert ask("DELETE", "/toy/1.0")[0] == 200
    assert ask("GET", "")[1] == {"models": []}
    wait_until(lambda: not any(map(is_running, workers)), "its workers to end")
