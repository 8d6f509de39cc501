"""Which requests wait for which in real TorchServe, whose only model has a delay far longer than any test."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from front_end import wait_until
from toy import predict, serving, waiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batching")


@pytest.fixture(scope="module", autouse=True)
def served(folder: Path) -> Iterator[None]:
    with serving(folder):
        yield


def test_a_lone_request_does_not_wait_for_others() -> None:
    assert predict(b"lone")["batch"] == 1


def test_what_waits_while_the_worker_computes_is_its_next_batch_up_to_the_batch_size(folder: Path) -> None:
    computing = folder / "computing"
    with ThreadPoolExecutor(7) as clients:
        first = clients.submit(predict, str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(predict, b"waiting") for _ in range(6)]
        wait_until(lambda: waiting() == 6, "six requests to be in the queue")
        computing.unlink()
        assert first.result()["batch"] == 1
        assert sorted(other.result()["batch"] for other in others) == [2, 2, 4, 4, 4, 4]
