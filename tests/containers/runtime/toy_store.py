"""Toy versions in a model store, and what is seen of them once they are served."""

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
# Answers its LABEL, and computes as long as the file exists that a request names.
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
    """The handler with another answer. loading: Python at its end, which runs as it is loaded."""
    return TWO.replace("two", label) + loading


def write_version(store: Path, version: str, handler: str, described: "dict[str, str]", settings: Any) -> Path:
    """Builds a toy version into the store, in the place of an earlier one; returns its archive.

    described, settings: of its MANIFEST.json and its model-config.yaml.
    """
    content, archive = store / f"toy-{version}", store / f"toy-{version}.mar"
    write_archive(content, version, handler, configFile="model-config.yaml", **described)
    (content / "model-config.yaml").write_text(json.dumps({**SETTINGS, "jobQueueSize": QUEUE, **settings}))
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(path for path in content.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(
                path.relative_to(content).as_posix()
            )  # of one date, so that its hash is the content's
            packed.writestr(member, path.read_bytes())
    shutil.rmtree(content)
    samples = store / "samples" / content.name
    samples.mkdir(parents=True, exist_ok=True)
    (samples / "a.txt").write_bytes(SAMPLE)
    return archive


def sample(expected: str) -> dict[str, str]:
    """The record of the version's sample, whose answer should be `expected`."""
    return {"file": "a.txt", "expected": expected, "sha256": sha256(SAMPLE).hexdigest()}


def post(path: str, body: bytes = b"x", **headers: str) -> "tuple[int, str]":
    """Status and text of the answer to a prediction. path: model, or model and version."""
    client = http.client.HTTPConnection("127.0.0.1", 8080, timeout=SECONDS)
    client.request("POST", f"/predictions/{path}", body, headers)
    answer = client.getresponse()
    text = answer.read().decode()
    client.close()
    return answer.status, text


@dataclass(frozen=True)
class Asked:
    """One request of a client: when it was sent, and status and text of its answer."""

    sent: float
    status: int
    text: str


@contextmanager
def asking(path: str) -> Iterator["list[list[Asked]]"]:
    """What several clients are answered, each of which asks again as soon as it is; whole once the block is left."""
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
    """By version: whether Java would make it the default one when it is started again."""
    snapshot = json.loads(torchserve.read_config(served / "config.properties")[torchserve.SNAPSHOT])
    assert snapshot["modelCount"] == len(snapshot["models"]["toy"])
    return {version: entry["defaultVersion"] for version, entry in snapshot["models"]["toy"].items()}


def described(version: str) -> dict[str, Any]:
    """The version as TorchServe's management API describes it."""
    (found,) = [one for one in health.describe("toy") if one["modelVersion"] == version]
    return found


def queued(version: str) -> int:
    """Requests in the version's queue, as TorchServe counts them."""
    return int(described(version)["jobQueueStatus"]["pendingRequests"])


def workers() -> list[Path]:
    """The worker processes of whatever TorchServe runs here."""
    lines = ((path, path.read_bytes()) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [path for path, line in lines if b"model_service_worker.py" in line]
