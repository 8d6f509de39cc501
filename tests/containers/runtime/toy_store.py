"""Toy versions in a model store, and ways to observe them once they are served."""

import http.client
import json
import shutil
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any, Callable

from front_end import wait_until
from toy import SECONDS, SETTINGS, write_archive

from runtime import health, torchserve

QUEUE = 2
SAMPLE = b"a sample"
# Answers with its LABEL, and computes while the file exists that a request names.
TWO = """
import pathlib, time

LABEL = "two"

def handle(requests, context):
    for request in requests or []:
        body = bytes(request["body"])
        if body.startswith(b"/"):
            path = pathlib.Path(body.decode())
            path.touch()
            while path.exists():
                time.sleep(0.01)
    return [LABEL] * len(requests or [])
"""
CLIENTS = 4
Publish = Callable[..., dict[str, Any]]


def labelled(label: str, loading: str = "") -> str:
    """Returns the handler with another answer. loading: Python code at its end, which runs when it is loaded."""
    return TWO.replace("two", label) + loading


def write_version(store: Path, version: str, handler: str, described: "dict[str, str]", settings: Any) -> Path:
    """Builds a toy version into the store, replacing an earlier one; returns its archive.

    described, settings: for its MANIFEST.json and its model-config.yaml.
    """
    content, archive = store / f"toy-{version}", store / f"toy-{version}.mar"
    write_archive(content, version, handler, configFile="model-config.yaml", **described)
    (content / "model-config.yaml").write_text(json.dumps({**SETTINGS, "jobQueueSize": QUEUE, **settings}))
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(path for path in content.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(
                path.relative_to(content).as_posix()
            )  # with a fixed date, so that the hash depends only on the content
            packed.writestr(member, path.read_bytes())
    shutil.rmtree(content)
    samples = store / "samples" / content.name
    samples.mkdir(parents=True, exist_ok=True)
    (samples / "a.txt").write_bytes(SAMPLE)
    return archive


def sample(expected: str) -> dict[str, str]:
    """Returns the record of the version's sample, whose answer should be `expected`."""
    return {"file": "a.txt", "expected": expected, "sha256": sha256(SAMPLE).hexdigest()}


def post(path: str, body: bytes = b"x", **headers: str) -> "tuple[int, str]":
    """Returns status and text of the answer to a prediction. path: model, or model and version."""
    client = http.client.HTTPConnection("127.0.0.1", 8080, timeout=SECONDS)
    client.request("POST", f"/predictions/{path}", body, headers)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text


@dataclass(frozen=True)
class Asked:
    """A client's request: when it was sent, and the status and text of its answer."""

    sent: float
    status: int
    text: str


@contextmanager
def asking(path: str) -> Iterator["list[list[Asked]]"]:
    """The answers to several clients, each of which asks again once answered; complete after the block is left."""
    over = Event()
    clients: list[list[Asked]] = [[] for _ in range(CLIENTS)]

    def ask(answers: "list[Asked]") -> None:
        while not over.is_set():
            sent = time.monotonic()
            answers.append(Asked(sent, *post(path)))

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(ask, answers) for answers in clients]
        try:
            wait_until(lambda: all(clients), "an answer to every client")
            yield clients
            seen = [len(answers) for answers in clients]
            wait_until(
                lambda: all(len(answers) > before + 1 for answers, before in zip(clients, seen)),
                "answers to requests that were sent afterwards",
            )
        finally:
            over.set()
        for client in running:
            client.result()


def restored(served: Path) -> dict[str, Any]:
    """Returns by version whether Java would make it the default after a restart."""
    snapshot = json.loads(torchserve.read_config(served / "config.properties")[torchserve.SNAPSHOT])
    assert snapshot["modelCount"] == len(snapshot["models"]["toy"])
    return {version: entry["defaultVersion"] for version, entry in snapshot["models"]["toy"].items()}


def described(version: str) -> dict[str, Any]:
    """Returns the version's description from TorchServe's management API."""
    (found,) = [one for one in health.describe("toy") if one["modelVersion"] == version]
    return found


def queued(version: str) -> int:
    """Returns the number of requests in the version's queue, as counted by TorchServe."""
    return int(described(version)["jobQueueStatus"]["pendingRequests"])


def workers() -> list[Path]:
    """Returns the worker processes of any TorchServe running here."""
    lines = ((path, path.read_bytes()) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [path for path, line in lines if b"model_service_worker.py" in line]
