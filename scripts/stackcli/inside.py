"""Asks TorchServe from inside its container (docker/torchserve/runtime/ask.py), so that no port need be published."""

from __future__ import annotations

import json
from typing import Any, Literal, cast

from docker.errors import APIError
from docker.models.containers import Container

from stackcli.errors import FAILURE, ServeError

Kind = Literal["inference", "management"]
Described = dict[str, Any]  # one version of a model, as TorchServe's management API describes it


def ask(container: Container, *words: str) -> str:
    """The answer; fails where the container does not run, or TorchServe in it does not answer."""
    return run_inside(container, "runtime.ask", *words)


def run_inside(container: Container, module: str, *words: str) -> str:
    """The last line that `python -m MODULE WORDS` prints in the container. Raises ServeError, with its own words."""
    try:
        ended = container.exec_run(["python", "-m", module, *words], demux=True)
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


def read_key(container: Container, kind: Kind) -> str:
    """A key that has not expired; empty where TorchServe asks for none."""
    return ask(container, "key", kind)


def headers_with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}
