"""Runs real TorchServe with one toy model, restored from a snapshot like the entrypoint's."""

import json
import socket
import subprocess
import textwrap
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from front_end import wait_until

from contract.served import State
from runtime import health, state, torchserve
from runtime.manifest import Model

# A request that TorchServe lets wait for a batch to fill waits longer than the test.
DELAY_MS = 600_000
SECONDS = 30
MODEL = Model("toy", "1.0", State.SERVED, archive="toy-1.0.mar")
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
        while pathlib.Path("loading").exists():
            time.sleep(0.01)
        return None
    for request in requests:
        body = request.get("body")
        if isinstance(body, (bytes, bytearray)) and body.startswith(b"/"):
            path = pathlib.Path(body.decode())
            path.touch()
            while path.exists():
                time.sleep(0.01)
    return [{"batch": len(requests), "got": {key: str(value) for key, value in r.items()}} for r in requests]
"""


@contextmanager
def serving(folder: Path, **properties: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts TorchServe and waits until its only, greedy worker is READY. properties: of its configuration."""
    with starting(folder, **properties) as java:
        wait_until(is_ready, "the toy model to be READY")
        yield java


def is_ready() -> bool:
    """Whether the toy model's worker is READY."""
    try:
        return health.judge([MODEL], health.describe)[0]
    except (OSError, ValueError):
        return False


@contextmanager
def starting(folder: Path, **properties: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts TorchServe; its worker loads the model once there is no file `loading` next to its handler."""
    write_archive(unpacked(folder), MODEL.version)
    base = {"disable_token_authorization": "true", "model_store": str(folder), **properties}
    snapshot = torchserve.snapshot([(MODEL, SETTINGS)], {MODEL.name: MODEL.version}, base)
    snapshot["models"]["toy"]["1.0"]["maxBatchDelay"] = DELAY_MS
    config = torchserve.effective_config(base, snapshot, folder / "unpacked", cpus=2.0)
    torchserve.write_config(config, folder / "config.properties")
    state.keep_chosen([MODEL], folder)
    with launched(folder) as java:
        yield java


@contextmanager
def launched(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts TorchServe with the folder's configuration; its log is shown if a test fails."""
    config = torchserve.read_config(folder / "config.properties")
    environment = {
        **torchserve.java_environment(1),
        "TEMP": str(folder),
        "LOG_LOCATION": str(folder),
        "METRICS_LOCATION": str(folder),
    }
    with (folder / "log").open("a") as log:
        java = subprocess.Popen(
            torchserve.java_command(config, folder / "config.properties", folder, drain_seconds=SECONDS),
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            yield java
        finally:
            java.terminate()
            java.wait(SECONDS)
            print((folder / "log").read_text())


def write_archive(archive: Path, version: str, source: str = HANDLER, **described: str) -> None:
    """Writes an unpacked archive of the toy model. source: its handler's; described: the model in its MANIFEST.json."""
    (archive / "MAR-INF").mkdir(parents=True)
    (archive / "handler.py").write_text(textwrap.dedent(source))
    about = {"modelName": MODEL.name, "modelVersion": version, "handler": "handler.py:handle", **described}
    manifest = {"createdOn": "", "runtime": "python", "model": about, "archiverVersion": "0.12.0"}
    (archive / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))


def unpacked(folder: Path) -> Path:
    """Returns the toy model's folder inside the server's."""
    return folder / "unpacked" / MODEL.archive


def predict(body: bytes, content_type: str = "application/octet-stream") -> dict[str, Any]:
    """Returns the handler's answer: the size of the request's batch, and what it `got`."""
    url = "http://127.0.0.1:8080/predictions/toy"
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=SECONDS) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def waiting() -> int:
    """Returns the number of requests in the queue, as counted by TorchServe."""
    with urllib.request.urlopen("http://127.0.0.1:8081/models/toy", timeout=SECONDS) as response:
        status = json.load(response)[0]["jobQueueStatus"]
        return int(status["pendingRequests"])


def worker_pid() -> int:
    """Returns that of the toy model's only worker."""
    with urllib.request.urlopen("http://127.0.0.1:8081/models/toy", timeout=SECONDS) as response:
        return int(json.load(response)[0]["workers"][0]["pid"])


def series() -> dict[str, float]:
    """Returns every sample that port 8082 exports, by its name and labels as written there."""
    with urllib.request.urlopen("http://127.0.0.1:8082/metrics", timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def exchange(*requests: str) -> "list[tuple[int, dict[str, str], Any]]":
    """Returns the answers (status, headers, JSON) on one connection to requests sent all at once, in order."""
    answers = []
    with socket.create_connection(("127.0.0.1", 8080), timeout=SECONDS) as client, client.makefile("rb") as received:
        client.sendall("".join(requests).encode())
        for _ in requests:
            status = int(received.readline().split()[1])
            lines = iter(lambda: received.readline().decode().strip().lower(), "")
            headers = dict(line.split(": ", 1) for line in lines)
            answers.append((status, headers, json.loads(received.read(int(headers["content-length"])))))
    return answers


def get(path: str, *lines: str) -> str:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: toy", *lines, "", ""))
