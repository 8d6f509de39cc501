"""A rebuilt archive is put in service without losing a request; one that fails to load changes nothing."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from front_end import wait_until
from toy import series
from toy_store import CLIENTS, Publish, asking, described, labelled, post, queued, restored, workers

from contract.failure import read_failure
from runtime import health, release, state

pytestmark = pytest.mark.usefixtures("container")
# Places in the queue, enough for all clients and the samples.
ROOM = 100
Swap = Callable[..., dict[str, Any]]


@pytest.fixture
def deployed(publish_toy: Publish) -> Iterator[str]:
    """The hash of toy 2.0's archive, which is served alongside 1.0."""
    entry = publish_toy("2.0", settings={"jobQueueSize": ROOM})
    release.deploy("toy", "2.0")
    yield entry["sha256"]
    release.undeploy("toy", "2.0")


@pytest.fixture
def swap(publish_toy: Publish) -> Swap:
    """Rebuilds toy 2.0 so that it answers with its label, and deploys it."""

    def build_and_deploy(label: str, loading: str = "", **settings: Any) -> dict[str, Any]:
        settings = {"jobQueueSize": ROOM, **settings}
        publish_toy("2.0", labelled(label, loading), settings=settings, expected=label)
        return release.deploy("toy", "2.0")

    return build_and_deploy


def pids(version: str) -> list[int]:
    """Returns the version's workers, all of which are READY."""
    found = described(version)["workers"]
    assert {worker["status"] for worker in found} == {"READY"}
    return [int(worker["pid"]) for worker in found]


def while_it_exists(path: Path) -> str:
    """Returns a handler's code that keeps loading."""
    return f"while pathlib.Path({str(path)!r}).exists():\n    time.sleep(0.01)\n"


def test_clients_are_answered_by_the_old_archive_and_then_by_the_new_one_alone(deployed: str, swap: Swap) -> None:
    others = pids("1.0")
    verdicts = set()
    with asking("toy/2.0") as clients, ThreadPoolExecutor(1) as thread:
        began = time.monotonic()
        swapping = thread.submit(swap, "new")
        while not swapping.done():
            verdicts.add(health.check())
        assert swapping.result() == {"done": "swapped", "answers": 3}
        ended = time.monotonic()
        verdicts.add(health.check())
    print(f"swapped in {ended - began:.2f} s while {sum(map(len, clients))} requests were answered")
    for answers in clients:
        assert {one.status for one in answers} == {200}
        texts = [one.text for one in answers]
        assert texts[0] == "two"
        assert texts == sorted(texts, reverse=True)  # once new, always new
        assert {one.text for one in answers if one.sent > ended} == {"new"}
    assert verdicts == {(True, "healthy: toy 1.0 (1 worker), toy 2.0 (1 worker)")}
    assert pids("1.0") == others


def test_what_an_old_worker_computes_is_answered_by_it_and_what_waits_by_a_new_one(
    served: Path, deployed: str, swap: Swap
) -> None:
    computing = served / "computing"
    with ThreadPoolExecutor(CLIENTS) as clients:
        computed = clients.submit(post, "toy/2.0", str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(post, "toy/2.0") for _ in range(2)]
        wait_until(lambda: queued("2.0") == 2, "two requests to wait")
        swapping = clients.submit(swap, "new", jobQueueSize=1)  # more than fit in the queue
        assert [other.result() for other in others] == [(200, "new")] * 2
        assert not computed.done()
        assert not swapping.done()
        computing.unlink()
        assert computed.result() == (200, "two")
        assert swapping.result()["done"] == "swapped"


def test_nothing_of_the_old_archive_is_left(served: Path, deployed: str, swap: Swap) -> None:
    old = pids("2.0")
    swap("new")
    assert set(old).isdisjoint(pids("2.0"))
    assert_served(served, "2.0")


def assert_served(served: Path, version: str, count: int = 1) -> None:
    """Checks that this many workers serve the version and one serves 1.0, and that nothing else is left."""
    assert len(pids(version)) == count
    wait_until(lambda: len(workers()) == count + 1, "no other worker processes")
    folders = [release.find_entry("toy", one)["marName"] for one in ("1.0", version)]
    assert sorted(path.name for path in (served / "unpacked").iterdir()) == sorted(folders)
    assert sorted(path.name for path in (served / "models").glob("*/*")) == sorted(folders)
    assert len([*served.glob(".ts.sock.*")]) == count + 1


def test_it_is_swapped_again_and_back(served: Path, deployed: str, swap: Swap, publish_toy: Publish) -> None:
    with asking("toy/2.0") as clients:
        for label in ("newer", "newest", "two"):
            assert swap(label)["done"] == "swapped"
            assert post("toy/2.0") == (200, label)
    assert {one.status for answers in clients for one in answers} == {200}
    assert [model.sha256 for model in state.read_chosen() if model.version == "2.0"] == [deployed]
    assert release.deploy("toy", "2.0")["done"] == "unchanged"
    assert_served(served, "2.0")


def test_the_new_archives_settings_and_number_of_workers_count(
    served: Path, deployed: str, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHSERVE_WORKERS", "2")
    swap("new", batchSize=2, maxBatchDelay=7, responseTimeout=11, jobQueueSize=3)
    found = described("2.0")
    settings = ("minWorkers", "maxWorkers", "batchSize", "maxBatchDelay", "responseTimeout")
    assert [found[key] for key in settings] == [2, 2, 2, 7, 11]
    assert found["jobQueueStatus"]["remainingCapacity"] == 3
    assert_served(served, "2.0", count=2)
    monkeypatch.setenv("TORCHSERVE_WORKERS", "1")
    swap("newer")  # one of two idle workers waits for the other
    assert_served(served, "2.0")


ONE_LOADS = "import os\nos.mkdir({path!r})\n"
BROKEN = {
    "does not load": "raise SystemError('no weights')",
    "loads in one of two workers": ONE_LOADS,
    "takes too long to load": "time.sleep(600)",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_archive_that_does_not_load_leaves_the_old_one_serving(
    served: Path, deployed: str, publish_toy: Publish, kind: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("TORCHSERVE_WORKERS", "2")
    old, entry = pids("2.0"), release.find_entry("toy", "2.0")
    handler = labelled("new", BROKEN[kind].format(path=str(tmp_path / "one")))
    publish_toy("2.0", handler, settings={"startupTimeout": 2})
    with asking("toy/2.0") as clients:
        assert release.main(["deploy", "toy", "2.0"]) == 1
        assert health.check() == (True, "healthy: toy 1.0 (1 worker), toy 2.0 (1 worker)")
    expected = "expected TorchServe to replace toy 2.0, found a worker that cannot load it; try "
    assert str(read_failure(capsys.readouterr().out)).startswith(expected)
    assert {(one.status, one.text) for answers in clients for one in answers} == {(200, "two")}
    assert pids("2.0") == old
    assert release.find_entry("toy", "2.0") == entry
    assert [model.sha256 for model in state.read_chosen() if model.version == "2.0"] == [deployed]
    assert_served(served, "2.0")


def test_an_archive_that_answers_its_samples_wrongly_is_taken_back(
    served: Path, deployed: str, publish_toy: Publish, capsys: Any
) -> None:
    entry = release.find_entry("toy", "2.0")
    publish_toy("2.0", labelled("new"), settings={"jobQueueSize": ROOM})
    with asking("toy/2.0") as clients:
        assert release.main(["deploy", "toy", "2.0"]) == 1
        assert post("toy/2.0") == (200, "two")
    expected = "expected toy 2.0 to answer two to its sample a.txt, found new; try "
    assert str(read_failure(capsys.readouterr().out)).startswith(expected)
    assert {one.status for answers in clients for one in answers} == {200}
    assert release.find_entry("toy", "2.0") == entry
    assert restored(served) == {"1.0": True, "2.0": False}
    assert_served(served, "2.0")


def test_an_old_worker_that_dies_meanwhile_is_started_again_from_the_old_archive(
    served: Path, deployed: str, swap: Swap, tmp_path: Path
) -> None:
    loading = tmp_path / "loading"
    loading.touch()
    with ThreadPoolExecutor(1) as thread:
        swapping = thread.submit(swap, "new", while_it_exists(loading))
        wait_until(lambda: len(workers()) == 3, "the new worker's process")
        (old,) = pids("2.0")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: is_another_ready(old), "its successor to be READY")
        assert post("toy/2.0") == (200, "two")
        loading.unlink()
        assert swapping.result()["done"] == "swapped"
    assert post("toy/2.0") == (200, "new")
    wait_until(lambda: len(workers()) == 2, "no other worker processes")


def is_another_ready(old: int) -> bool:
    (worker,) = described("2.0")["workers"]
    return bool(worker["status"] == "READY" and worker["pid"] != old)


def test_an_old_worker_that_is_just_being_started_again_ends(served: Path, swap: Swap, publish_toy: Publish) -> None:
    loading = served / "loading-again"
    publish_toy("2.0", labelled("two", while_it_exists(loading)))
    release.deploy("toy", "2.0")
    loading.touch()
    (old,) = pids("2.0")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: len(workers()) == 2, "its successor's process")
    began = time.monotonic()
    assert swap("new")["done"] == "swapped"
    assert time.monotonic() - began < 20  # not its startupTimeout
    loading.unlink()
    assert_served(served, "2.0")
    release.undeploy("toy", "2.0")


ENGINE = """
answer = handle
del handle  # TorchServe would prefer it to the class

class Handler:
    engine = type("Engine", (), {{"name": {!r}, "precision": "f32"}})

    def initialize(self, context):
        pass

    def handle(self, requests, context):
        return answer(requests, context)
"""


def test_its_series_go_on_and_say_what_is_served(deployed: str, publish_toy: Publish) -> None:
    post("toy/2.0")
    before = {**own_series("model_requests_total"), **own_series("model_worker_restarts_total")}
    for engine in ("first", "second"):
        entry = publish_toy("2.0", labelled("two", ENGINE.format(engine)), described={"handler": "handler.py"})
        release.deploy("toy", "2.0")
        (info,) = own_series("model_info")
        assert f'engine="{engine}"' in info
        assert entry["sha256"] in info
    after = {**own_series("model_requests_total"), **own_series("model_worker_restarts_total")}
    gained = {name: value - before[name] for name, value in after.items() if value != before[name]}
    # The samples of both.
    assert gained == {'model_requests_total{model="toy",version="2.0",outcome="2xx",protocol="http",}': 6}
    assert own_series("model_workers") == {
        f'model_workers{{model="toy",version="2.0",state="{one}",}}': one == "ready"
        for one in ("ready", "starting", "failed")
    }


def own_series(name: str) -> dict[str, float]:
    """Returns those of toy 2.0."""
    start = f'{name}{{model="toy",version="2.0",'
    return {labels: value for labels, value in series().items() if labels.startswith(start)}
