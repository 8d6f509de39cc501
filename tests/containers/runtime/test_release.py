"""A version is added to running, real TorchServe and tested; one that fails leaves nothing behind."""

import http.client
import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from front_end import wait_until
from toy import SECONDS, exchange, get
from toy_store import QUEUE, TWO, Publish, labelled, post, queued, restored, workers

from contract.failure import read_failure
from runtime import health, release, state
from runtime.errors import ServingError

pytestmark = pytest.mark.usefixtures("container")


def versions() -> list[str]:
    return sorted(described["modelVersion"] for described in health.describe("toy"))


@pytest.fixture
def deployed(publish_toy: Publish) -> Iterator[dict[str, Any]]:
    """Toy 2.0, alongside 1.0."""
    publish_toy("2.0")
    yield release.deploy("toy", "2.0")
    release.set_default("toy", "1.0")
    release.undeploy("toy", "2.0")


def test_a_version_is_added_beside_the_default_one(served: Path, deployed: dict[str, Any]) -> None:
    assert deployed == {"done": "deployed", "answers": 3}
    assert post("toy/2.0") == (200, "two")
    assert json.loads(post("toy")[1])["batch"] == 1
    assert versions() == ["1.0", "2.0"]


def test_routers_are_told_of_it_and_of_the_default_version(deployed: dict[str, Any]) -> None:
    assert registered() == {"toy": {"default": "1.0", "versions": ["1.0", "2.0"]}}
    release.set_default("toy", "2.0")
    assert registered() == {"toy": {"default": "2.0", "versions": ["1.0", "2.0"]}}


def registered() -> Any:
    ((status, _, answer),) = exchange(get("/ready"))
    assert (status, answer["ready"]) == (200, True)
    return answer["models"]


def test_it_is_restored_and_counted_in_by_the_health_check_from_then_on(served: Path, deployed: dict[str, Any]) -> None:
    assert restored(served) == {"1.0": True, "2.0": False}
    assert health.check() == (True, "healthy: toy 1.0 (1 worker), toy 2.0 (1 worker)")


def test_its_queue_is_as_honest_as_the_others(served: Path, deployed: dict[str, Any]) -> None:
    computing = served / "computing"
    with ThreadPoolExecutor(QUEUE + 1) as clients:
        first = clients.submit(post, "toy/2.0", str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(post, "toy/2.0") for _ in range(QUEUE)]
        wait_until(lambda: queued("2.0") == QUEUE, "the queue to be full")
        status, text = post("toy/2.0")
        computing.unlink()
        assert status == 503
        assert "found all 2 places taken" in text
        assert [client.result() for client in (first, *others)] == [(200, "two")] * (QUEUE + 1)


def test_the_default_version_is_changed_for_now_and_for_a_restart(served: Path, deployed: dict[str, Any]) -> None:
    assert release.set_default("toy", "2.0")["done"] == "default"
    assert post("toy") == (200, "two")
    assert restored(served) == {"1.0": False, "2.0": True}


def test_deploying_it_again_changes_nothing(deployed: dict[str, Any]) -> None:
    assert release.deploy("toy", "2.0")["done"] == "unchanged"
    assert versions() == ["1.0", "2.0"]


def test_what_was_deployed_is_taken_back(served: Path, publish_toy: Publish) -> None:
    publish_toy("2.0")
    release.deploy("toy", "2.0")
    release.undeploy("toy", "2.0")
    assert_untouched(served)


def assert_untouched(served: Path) -> None:
    """Checks that only 1.0 is served, would be restored, and has a worker."""
    assert versions() == ["1.0"]
    assert restored(served) == {"1.0": True}
    assert [model.label for model in state.read_chosen()] == ["toy 1.0"]
    assert [path.name for path in (served / "unpacked").iterdir()] == ["toy-1.0.mar"]
    wait_until(lambda: len(workers()) == 1, "one worker process")
    assert json.loads(post("toy")[1])["batch"] == 1


BROKEN = {
    "does not load": (
        {"handler": "raise SystemError('no weights')"},
        "expected TorchServe to register toy 3.0, found a worker that cannot load it",
    ),
    "dies at its first request": (
        {
            "handler": TWO.replace(
                "    for request", "    if requests:\n        import os; os._exit(1)\n    for request"
            )
        },
        "expected toy 3.0 to answer two to its sample a.txt, found 500 ",
    ),
    "answers wrongly": (
        {"handler": labelled("three")},
        "expected toy 3.0 to answer two to its sample a.txt, found three; try ",
    ),
    "altered archive": (
        {"sha256": "0" * 64},
        "expected a valid archive of toy 3.0, found it corrupt (expected sha256 000",
    ),
    "another version inside": (
        {"described": {"modelVersion": "4.0"}},
        "expected an archive of toy 3.0, found an archive of toy 4.0",
    ),
    "another version's archive": (
        {"archive": "toy-1.0.mar"},
        "expected a valid archive of toy 3.0, found it corrupt",
    ),
    "altered sample": (
        {"samples": [{"file": "a.txt", "expected": "two", "sha256": "1" * 64}]},
        "expected the sample a.txt of toy 3.0 with sha256 111",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_version_that_fails_is_refused_and_leaves_nothing_behind(
    served: Path, publish_toy: Publish, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = BROKEN[kind]
    publish_toy("3.0", **arguments)
    assert release.main(["deploy", "toy", "3.0"]) == 1
    failure = read_failure(capsys.readouterr().out)
    assert str(failure).startswith(expected)
    assert failure.remedy
    assert_untouched(served)


def test_the_folder_of_a_version_that_is_served_is_not_touched(served: Path, publish_toy: Publish, store: Path) -> None:
    entry = publish_toy("3.0")
    (store / entry["archive"]).rename(store / "toy-1.0.mar")
    manifest = {"schema": 1, "models": [{**entry, "archive": "toy-1.0.mar"}]}
    (store / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ServingError, match=r"expected an archive for toy 3.0 only, found toy-1\.0\.mar"):
        release.deploy("toy", "3.0")
    assert_untouched(served)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["deploy", "toy", "9.0"], "expected toy 9.0 in the manifest, found no such version; try "),
        (["undeploy", "toy", "9.0"], "expected toy 9.0 to be served"),
        (["default", "toy", "9.0"], "expected toy 9.0 to be served"),
        (["register", "toy", "1.0"], "expected `deploy|undeploy|default NAME VERSION`"),
    ],
)
def test_what_cannot_be_done_is_said(
    publish_toy: Publish, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_toy("2.0")
    assert release.main(words) == 1
    assert str(read_failure(capsys.readouterr().out)).startswith(expected)


def test_only_the_containers_user_may_open_the_way_in(served: Path) -> None:
    found = (served / release.SOCKET).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.getuid())


def test_torchserves_own_way_in_is_closed(served: Path) -> None:
    for method, path in (("POST", "/models?url=toy-1.0.mar"), ("DELETE", "/models/toy/1.0")):
        client = http.client.HTTPConnection("127.0.0.1", 8081, timeout=SECONDS)
        client.request(method, path)
        assert client.getresponse().status == 405
        client.close()
