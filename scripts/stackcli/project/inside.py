"""Queries TorchServe from inside its container (docker/torchserve/runtime/ask.py), so that no port has to be published.

Access to Docker's socket replaces an API key.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from docker.errors import APIError
from docker.models.containers import Container

from contract.failure import read_failure
from stackcli.common import console
from stackcli.common.errors import ServeError

Described = dict[str, Any]  # one version of a model, as TorchServe's management API describes it
Chosen = dict[str, Any]  # one version of the manifest, and what the start decided about it (runtime/state.py)
Data = dict[str, Any]


@dataclass(frozen=True)
class ServedState:
    """What a container serves. `settings`: hash of the files its start read; `chosen`: what it decided."""

    settings: str
    chosen: list[Chosen]
    served: list[Described]


@dataclass(frozen=True)
class Answer:
    """A model's answer to one request, whatever its HTTP status."""

    status: int
    untrained: bool
    body: str


def run_inside(container: Container, module: str, *words: str) -> Data:
    """Runs `python3 -m MODULE WORDS` in the container; returns the JSON it prints. Raises ServeError."""
    try:
        ended = container.exec_run(["python3", "-m", module, *words], demux=True)
    except APIError as error:
        raise ServeError("a running container", str(error.explanation), "`scripts/stack up`") from None
    printed, errors = ((cast("bytes | None", part) or b"").decode(errors="replace") for part in ended.output)
    return read_answer(module, ended.exit_code, printed, errors)


def read_answer(module: str, status: int | None, printed: str, errors: str) -> Data:
    """Parses the last printed line as JSON. Raises ServeError if it is a failure, or no JSON."""
    if failure := read_failure(printed):
        raise ServeError(failure.expected, failure.found, failure.remedy)
    try:
        answer: Data = json.loads((printed.strip().splitlines() or [""])[-1])
    except ValueError:
        last = (errors.strip() or printed.strip() or "no output").splitlines()[-1]
        found = f"exit status {status}: {last}"
        raise ServeError(f"an answer of {module} in its container", found, "`scripts/stack doctor`") from None
    return answer


def read_state(container: Container) -> ServedState:
    """Returns what the container's start read and decided, and what TorchServe serves now. Raises ServeError."""
    return ServedState(**run_inside(container, "runtime.ask", "models"))


def read_models(container: Container) -> list[Described]:
    """Returns every model version that TorchServe has loaded. Raises ServeError."""
    return read_state(container).served


def overlay(container: Container, name: str, version: str, files: bytes) -> None:
    """Replaces files of a served version by those of a tar. Raises ServeError."""
    warn_of(run_with_stdin(container, files, "runtime.overlay", name, version), f"{name} {version}")


def warn_of(done: Data, label: str) -> None:
    """Prints the warning that a change of the served versions came with, if any."""
    if done.get("warning"):
        console.warn(f"{label}: {done['warning']}")


def predict(container: Container, model: str, version: str | None, file: Path) -> Answer:
    """Sends a file to a model from inside the container, through stdin. Raises ServeError."""
    words = ["predict", model, *([version] if version else [])]
    return Answer(**run_with_stdin(container, file.read_bytes(), "runtime.ask", *words))


def run_with_stdin(container: Container, content: bytes, module: str, *words: str) -> Data:
    """Does what `run_inside` does, with `content` on stdin; Docker's own client is the simplest way to do that."""
    command = ["docker", "exec", "--interactive", str(container.id), "python3", "-m", module, *words]
    ended = subprocess.run(command, input=content, capture_output=True, check=False)
    printed, errors = ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace")
    return read_answer(module, ended.returncode, printed, errors)
