"""Starts TorchServe and waits until every model has a READY worker."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import docker
from docker.models.containers import Container

from stackcli import console
from stackcli.compose import Project
from stackcli.errors import ServeError
from stackcli.models import store_folder
from stackcli.paths import ROOT

HEALTHY_SECONDS = 300
MAX_RESTARTS = 3
LOG_LINES = 20


def find_container(client: docker.DockerClient, project_name: str) -> Container | None:
    """The project's torchserve container, running or not."""
    labels = [f"com.docker.compose.project={project_name}", "com.docker.compose.service=torchserve"]
    labels.append("com.docker.compose.oneoff=False")
    return next(iter(client.containers.list(all=True, filters={"label": labels})), None)


def start(client: docker.DockerClient, project: Project) -> None:
    """Starts torchserve, or restarts it where what it read at its start has changed since."""
    name = project.settings.compose_project_name
    before = find_container(client, name)
    project.do("up", "--detach", "--no-deps", "--no-build", "torchserve")
    after = find_container(client, name)
    was_running = before is not None and before.status == "running"
    if was_running and before and after and before.id == after.id and is_outdated(project, started_at(before)):
        console.say("torchserve: restarting with the new models")
        project.do("restart", "--no-deps", "torchserve")


def is_outdated(project: Project, started: float) -> bool:
    """`started`: seconds since the epoch. TorchServe reads the manifest and its configuration only when it starts."""
    read = (store_folder(project.settings) / "manifest.json", ROOT / "config.properties")
    return any(file.is_file() and file.stat().st_mtime > started for file in read)


def started_at(container: Container) -> float:
    text = str(container.attrs["State"]["StartedAt"])
    return datetime.fromisoformat(f"{text[:19]}+00:00").timestamp()


def health_of(container: Container) -> tuple[str, str]:
    """Docker's word (starting, healthy, unhealthy, or the container's state) and the probe's last line."""
    state: dict[str, Any] = container.attrs["State"]
    health = state.get("Health") or {}
    outputs = [str(probe.get("Output", "")).strip() for probe in health.get("Log") or []]
    line = outputs[-1].splitlines()[-1] if outputs and outputs[-1] else ""
    return (str(health["Status"]) if state["Running"] and health.get("Status") else str(state["Status"])), line


def wait_until_healthy(client: docker.DockerClient, project: Project, seconds: float = HEALTHY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    status, line = "not created", ""
    with console.waiting("torchserve") as wait:
        while time.monotonic() < deadline:
            container = find_container(client, project.settings.compose_project_name)
            if container is not None:
                status, line = health_of(container)
                if status == "healthy":
                    break
                if status in ("exited", "dead") or container.attrs["RestartCount"] >= MAX_RESTARTS:
                    break
                wait.update(f"{status}: {line}" if line else status)
            time.sleep(0.5)
    if status == "healthy":
        console.done(f"torchserve: healthy{f' ({line})' if line else ''}")
        return
    if container is not None:
        for text in last_log_lines(container):
            console.say(text)
    raise ServeError(
        f"torchserve to be healthy within {seconds:.0f} s",
        f"{status}{f': {line}' if line else ''}",
        "the log lines above, `scripts/stack doctor`",
    )


def last_log_lines(container: Container) -> list[str]:
    return str(container.logs(tail=LOG_LINES).decode(errors="replace")).splitlines()
