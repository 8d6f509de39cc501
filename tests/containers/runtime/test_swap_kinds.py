"""Models whose workers take requests in other ways are swapped as well; if that loses requests, there is a warning."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from front_end import wait_until
from toy_store import CLIENTS, Publish, asking, labelled, post, workers

from runtime import health, release

pytestmark = pytest.mark.usefixtures("container")
CONTINUOUS = {"continuousBatching": True, "jobQueueSize": 100}
ASYNCHRONOUS = {"asyncCommunication": True, "batchSize": 1}
SEQUENCES = {
    "sequenceBatching": True,
    "sequenceMaxIdleMSec": 2000,
    "maxNumSequence": 4,
    "maxSequenceJobQueueSize": 10,
}
# Like TWO, except for a worker that computes requests concurrently.
COROUTINE = """
import asyncio, pathlib

class Handler:
    def initialize(self, context):
        pass

    async def handle(self, requests, context):
        for request in requests:
            body = bytes(request["body"])
            if body.startswith(b"/"):
                path = pathlib.Path(body.decode())
                path.touch()
                while path.exists():
                    await asyncio.sleep(0.01)
        return ["two"] * len(requests)
"""
Swap = Callable[..., dict[str, Any]]


@pytest.fixture
def deploy(publish_toy: Publish) -> Iterator[Swap]:
    """Builds or rebuilds toy 2.0 with this handler and these settings, and deploys it without samples."""

    def build_and_deploy(source: str, settings: "dict[str, Any]", **described: str) -> dict[str, Any]:
        publish_toy("2.0", source, settings=settings, described=described, samples=[])
        return release.deploy("toy", "2.0")

    yield build_and_deploy
    release.undeploy("toy", "2.0")


def test_with_continuous_batching_no_request_is_lost(served: Path, deploy: Swap) -> None:
    deploy(labelled("two"), CONTINUOUS)
    with asking("toy/2.0") as clients:
        assert deploy(labelled("new"), CONTINUOUS) == {"done": "swapped", "answers": 0}
        assert post("toy/2.0") == (200, "new")
    assert {one.status for answers in clients for one in answers} == {200}
    assert_computed_request_is_answered(served, lambda: deploy(labelled("newer"), CONTINUOUS), "new", "newer")


def assert_computed_request_is_answered(served: Path, swap: Callable[[], Any], old: str, new: str) -> None:
    computing = served / "computing"
    with ThreadPoolExecutor(CLIENTS) as clients:
        computed = clients.submit(post, "toy/2.0", str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        swapping = clients.submit(swap)
        wait_until(lambda: post("toy/2.0") == (200, new), "new answers")
        assert not swapping.done()
        computing.unlink()
        assert computed.result() == (200, old)
        assert swapping.result() == {"done": "swapped", "answers": 0}
    wait_until(lambda: len(workers()) == 2, "no other worker processes")


def test_with_asynchronous_workers_no_request_is_lost(served: Path, deploy: Swap) -> None:
    deploy(COROUTINE, ASYNCHRONOUS, handler="handler.py")
    assert post("toy/2.0") == (200, "two")
    new = COROUTINE.replace("two", "new")
    assert_computed_request_is_answered(served, lambda: deploy(new, ASYNCHRONOUS, handler="handler.py"), "two", "new")


def test_with_sequences_those_in_hand_are_answered_by_an_error_and_that_is_said(served: Path, deploy: Swap) -> None:
    deploy(labelled("two"), SEQUENCES)
    assert post("toy/2.0", ts_request_sequence_id="1") == (200, "two")
    computing = served / "computing"
    with ThreadPoolExecutor(1) as client:
        computed = client.submit(post, "toy/2.0", str(computing).encode(), ts_request_sequence_id="2")
        wait_until(computing.exists, "the worker to compute")
        warning = "sequenceBatching: the old workers were ended with their clients' sequences"
        assert deploy(labelled("new"), SEQUENCES) == {"done": "swapped", "answers": 0, "warning": warning}
        status, text = computed.result()
        assert (status, "try again" in text) == (500, True)
    assert post("toy/2.0", ts_request_sequence_id="1") == (200, "new")
    assert health.check() == (True, "healthy: toy 1.0 (1 worker), toy 2.0 (1 worker)")
    wait_until(lambda: len(workers()) == 2, "no other worker processes")
