"""Real TorchServe, restored from a snapshot as the entrypoint writes it: who waits for whom."""

import json
import subprocess
import textwrap
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from front_end import wait_until

from runtime import health, torchserve
from runtime.manifest import Model, Verdict
from runtime.sizing import Sizing

# A request that TorchServe lets wait for company waits longer than the test.
DELAY_MS = 600_000
SECONDS = 30
MODEL = Model("toy", "1.0", Verdict.SERVED, archive="toy-1.0.mar")
SETTINGS = {
    "minWorkers": 1,
    "maxWorkers": 1,
    "batchSize": 4,
    "maxBatchDelay": 0,
    "responseTimeout": 120,
    "startupTimeout": 120,
}
HANDLER = """
import pathlib, time

def handle(requests, context):
    if requests is None:
        return None
    bodies = [bytes(request["body"]).decode() for request in requests]
    for body in bodies:
        if body.startswith("/"):
            pathlib.Path(body).touch()
            while pathlib.Path(body).exists():
                time.sleep(0.01)
    return [{"batch": len(requests)} for _ in requests]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module", autouse=True)
def served(folder: Path) -> Iterator[None]:
    """TorchServe with one greedy model of one worker; its delay is one that nobody could wait for."""
    archive = folder / "unpacked" / MODEL.archive
    (archive / "MAR-INF").mkdir(parents=True)
    (archive / "handler.py").write_text(textwrap.dedent(HANDLER))
    about = {"modelName": MODEL.name, "modelVersion": MODEL.version, "handler": "handler.py:handle"}
    manifest = {"createdOn": "", "runtime": "python", "model": about, "archiverVersion": "0.12.0"}
    (archive / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    base = {"disable_token_authorization": "true", "model_store": str(folder)}
    config = torchserve.effective_config(base, [(MODEL, SETTINGS)], folder / "unpacked", cpus=2.0)
    snapshot = json.loads(config["model_snapshot"])
    snapshot["models"]["toy"]["1.0"]["maxBatchDelay"] = DELAY_MS
    torchserve.write_config({**config, "model_snapshot": json.dumps(snapshot)}, folder / "config.properties")
    environment = {
        **torchserve.java_environment(Sizing(1, 1, ())),
        "TEMP": str(folder),
        "LOG_LOCATION": str(folder),
        "METRICS_LOCATION": str(folder),
    }
    with (folder / "log").open("w") as log:
        java = subprocess.Popen(
            torchserve.java_command(config, folder / "config.properties", folder),
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: health.check([MODEL])[0], "the toy model to be READY")
            yield
        finally:
            java.terminate()
            java.wait(SECONDS)
            # Shown where a test fails.
            print((folder / "log").read_text())


def predict(body: str) -> dict[str, Any]:
    url = "http://127.0.0.1:8080/predictions/toy"
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def waiting() -> int:
    """Requests in the queue, as TorchServe counts them."""
    with urllib.request.urlopen("http://127.0.0.1:8081/models/toy", timeout=SECONDS) as response:
        status = json.load(response)[0]["jobQueueStatus"]
        return int(status["pendingRequests"])


def test_a_lone_request_waits_for_nobody() -> None:
    assert predict("lone") == {"batch": 1}


def test_what_waits_while_the_worker_computes_is_its_next_batch_up_to_the_batch_size(folder: Path) -> None:
    computing = folder / "computing"
    with ThreadPoolExecutor(7) as clients:
        first = clients.submit(predict, str(computing))
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(predict, "waiting") for _ in range(6)]
        wait_until(lambda: waiting() == 6, "six requests to be in the queue")
        computing.unlink()
        assert first.result() == {"batch": 1}
        assert sorted(other.result()["batch"] for other in others) == [2, 2, 4, 4, 4, 4]
