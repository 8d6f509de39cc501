"""Sends one file to a model and prints its answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import docker
import typer

from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.project import inside
from stackcli.project.compose import Project
from stackcli.project.containers import find_container
from stackcli.project.current import running_project


def predict(
    model: str,
    file: Path,
    version: Annotated[str | None, typer.Option("--version", help="Another version than the default one.")] = None,
) -> None:
    """Send one file to a model and print its answer."""
    if not file.is_file():
        raise ConfigError(
            "a file to send", str(file), "the path of an image, for example model_src/mnist/samples/7.png"
        )
    send(*running_project(), model, file, version)


def send(client: docker.DockerClient, project: Project, model: str, file: Path, version: str | None) -> None:
    container = find_container(client, project.settings.compose_project_name)
    if container is None:
        raise ServeError("a running stack", "no torchserve container", "`scripts/stack up`")
    answer = inside.predict(container, model, version, file)
    if answer.status >= 400:
        raise refusal(answer, model)
    if answer.untrained:
        console.err.print(f"[red]WARNING: {model} is UNTRAINED: its answers mean nothing[/red]")
    console.out.print(answer.body.strip(), markup=False)


def refusal(answer: inside.Answer, model: str) -> ServeError:
    """TorchServe's own words, and what usually helps."""
    try:
        message = str(json.loads(answer.body)["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        message = answer.body.strip()[:300]
    remedy = {
        400: "a JPEG or PNG file",
        404: "`scripts/stack status` for the models that are served",
        413: "a smaller file (max_request_size in config.properties)",
        503: "again when `scripts/stack status` shows it READY",
    }.get(answer.status, "`docker compose logs torchserve`")
    return ServeError(f"an answer of {model}", f"HTTP {answer.status}: {message}", remedy)
