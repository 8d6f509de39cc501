"""`scripts/stack predict`: sends one file to a model and prints the answer."""

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
    model: Annotated[str, typer.Argument(help="The model's name.")],
    file: Annotated[Path, typer.Argument(help="The file to send, for example an image.")],
    version: Annotated[
        str | None, typer.Option("--version", help="The version to ask. Default: the default one.")
    ] = None,
) -> None:
    """Send a file to a model and print the answer."""
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
    """Returns TorchServe's own message with the usual remedy for its status."""
    try:
        message = str(json.loads(answer.body)["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        message = answer.body.strip()[:300]
    remedy = {
        400: "a JPEG or PNG file",
        404: "`scripts/stack status` for the served models",
        413: "a smaller file (max_request_size in config.properties)",
        503: "again once `scripts/stack status` shows it READY",
    }.get(answer.status, "`docker compose logs torchserve`")
    return ServeError(f"an answer of {model}", f"HTTP {answer.status}: {message}", remedy)
