"""Asks TorchServe from inside its container (docker/torchserve/runtime/ask.py), so that no port need be published.

Whoever may use Docker's socket needs no key.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from docker.errors import APIError
from docker.models.containers import Container

from stackcli.common.errors import FAILURE, ServeError

Described = dict[str, Any]  # one version of a model, as TorchServe's management API describes it


@dataclass(frozen=True)
class Answer:
    """A model's answer to one request, whatever its HTTP status."""

    status: int
    untrained: bool
    body: str


def ask(container: Container, *words: str) -> str:
    """The answer; fails where the container does not run, or TorchServe in it does not answer."""
    return run_inside(container, "runtime.ask", *words)


def run_inside(container: Container, module: str, *words: str) -> str:
    """The last line that `python3 -m MODULE WORDS` prints in the container. Raises ServeError, with its own words."""
    try:
        ended = container.exec_run(["python3", "-m", module, *words], demux=True)
    except APIError as error:
        raise ServeError("a running torchserve container", str(error.explanation), "`scripts/stack up`") from None
    printed, errors = (cast("bytes | None", part) or b"" for part in ended.output)
    if ended.exit_code != 0:
        last = (errors.decode(errors="replace").strip() or "no output").splitlines()[-1]
        if match := FAILURE.search(last):
            raise ServeError(match["expected"], match["found"], match["remedy"])
        raise ServeError("an answer of TorchServe in its container", last, "`scripts/stack doctor`")
    return (printed.decode().strip().splitlines() or [""])[-1]


def read_models(container: Container) -> list[Described]:
    """Every version of every model that TorchServe knows."""
    described: list[Described] = json.loads(ask(container, "models"))
    return described


def predict(container: Container, model: str, version: str | None, file: Path) -> Answer:
    """The file goes to the container's stdin, for which Docker's own client is the simplest way."""
    words = ["predict", model, *([version] if version else [])]
    command = ["docker", "exec", "--interactive", str(container.id), "python", "-m", "runtime.ask", *words]
    with file.open("rb") as body:
        ended = subprocess.run(command, stdin=body, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        last = (ended.stderr.strip() or "no output").splitlines()[-1]
        raise ServeError("an answer of TorchServe in its container", last, "`scripts/stack up`")
    return Answer(**json.loads(ended.stdout))
