"""Sends one file to a model and prints its answer."""

from __future__ import annotations

import json
from pathlib import Path

import docker
import requests

from stackcli import console
from stackcli.compose import Project
from stackcli.errors import ConfigError, ServeError
from stackcli.inside import headers_with, read_key
from stackcli.serving import find_container
from stackcli.status import local_session


def predict(client: docker.DockerClient, project: Project, model: str, file: Path, version: str | None) -> None:
    if not file.is_file():
        raise ConfigError(
            "a file to send", str(file), "the path of an image, for example model_src/mnist/samples/7.png"
        )
    settings = project.settings
    container = find_container(client, settings.compose_project_name)
    if container is None:
        raise ServeError("a running stack", "no torchserve container", "`scripts/stack up`")
    headers = headers_with(read_key(container, "inference"))
    url = f"http://{settings.host}:{settings.inference_port}/predictions/{model}{f'/{version}' if version else ''}"
    try:
        with local_session() as session:
            answer = session.post(url, data=file.read_bytes(), headers=headers, timeout=150)
    except requests.RequestException as error:
        reason = "no connection" if isinstance(error, requests.ConnectionError) else str(error)
        raise ServeError(f"an answer from {url}", reason, "`scripts/stack up`") from None
    if not answer.ok:
        raise refusal(answer, model)
    if answer.headers.get("X-Model-Untrained"):
        console.err.print(f"[red]WARNING: {model} is UNTRAINED: its answers mean nothing[/red]")
    console.out.print(answer.text.strip(), markup=False)


def refusal(answer: requests.Response, model: str) -> ServeError:
    """TorchServe's own words, and what usually helps."""
    try:
        message = str(answer.json()["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        message = answer.text.strip()[:300]
    remedy = {
        400: "a JPEG or PNG file",
        404: "`scripts/stack status` for the models that are served",
        413: "a smaller file (max_request_size in config.properties)",
        503: "again when `scripts/stack status` shows it READY",
    }.get(answer.status_code, "`docker compose logs torchserve`")
    return ServeError(f"an answer of {model}", f"HTTP {answer.status_code}: {message}", remedy)
