"""Finds the project's containers by their labels, and waits until they are healthy."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from stackcli.common import console
from stackcli.common.check import Check
from stackcli.common.errors import ServeError
from stackcli.common.paths import ROOT
from stackcli.project.compose import Project
from stackcli.project.log_lines import readable
from stackcli.project.settings import Settings

SERVING = ("torchserve", "edge")
HEALTHY_SECONDS = 300
MAX_RESTARTS = 3
LOG_LINES = 20


def find_containers(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> list[Container]:
    """Returns the service's containers, running or not, in the order of their numbers; [] if there are none."""
    labels = [f"com.docker.compose.project={project_name}", f"com.docker.compose.service={service}"]
    labels.append("com.docker.compose.oneoff=False")
    found = client.containers.list(all=True, filters={"label": labels})
    return sorted(found, key=lambda container: int(container.labels["com.docker.compose.container-number"]))


def find_container(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> Container | None:
    """Returns the service's first container; None if there is none."""
    return next(iter(find_containers(client, project_name, service)), None)


def find_unwell(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> Container | None:
    """Returns the service's first unhealthy container, or the first one if all are healthy; None if there is none."""
    found = find_containers(client, project_name, service)
    unwell = (container for container in found if health_of(container)[0] != "healthy")
    return next(unwell, next(iter(found), None))


def check_checkout(client: docker.DockerClient | None, settings: Settings) -> list[Check]:
    """Checks that no other checkout uses the project name: each would take the other's containers for its own.

    Returns [] if there is no other checkout, or it no longer exists.
    """
    name = settings.compose_project_name
    label = f"com.docker.compose.project={name}"
    for container in client.containers.list(all=True, filters={"label": label}) if client else []:
        folder = Path(container.labels.get("com.docker.compose.project.working_dir", ROOT)).resolve()
        if folder != ROOT and (folder / "compose.yaml").is_file():
            remedy = f"another COMPOSE_PROJECT_NAME and other ports in .env, or `docker compose down` in {folder}"
            return [Check("project", "failed", f"{name} in use by {folder}", "an unused project name", remedy)]
    return []


def start_of(container: Container) -> str:
    """Identifies one start of one container; TorchServe reads the manifest and its configuration at start only."""
    return f"{container.id} {container.attrs['State']['StartedAt']}"


def health_of(container: Container) -> tuple[str, str]:
    """Returns Docker's health status (without one, the container's state) and the last line of the health check."""
    state: dict[str, Any] = container.attrs["State"]
    health = state.get("Health") or {}
    outputs = [str(probe.get("Output", "")).strip() for probe in health.get("Log") or []]
    line = outputs[-1].splitlines()[-1] if outputs and outputs[-1] else ""
    line = re.sub(r"^(un)?healthy: ", "", line)  # repeats the status
    return (str(health["Status"]) if state["Running"] and health.get("Status") else str(state["Status"])), line


def wait_until_healthy(
    client: docker.DockerClient, project: Project, service: str = "torchserve", seconds: float = HEALTHY_SECONDS
) -> None:
    with console.waiting(service) as wait:
        container, status, line = watch_health(client, project, service, seconds, wait.update)
    if status == "healthy":
        console.done(f"{service}: healthy{f' ({line})' if line else ''}")
        return
    if container is not None:
        for text in last_log_lines(container):
            console.say(text)
    raise ServeError(
        f"{service} to be healthy within {seconds:.0f} s",
        f"{status}{f': {line}' if line else ''}",
        "the log lines above, or `scripts/stack doctor`",
    )


def watch_health(
    client: docker.DockerClient, project: Project, service: str, seconds: float, show: Callable[[str], None]
) -> tuple[Container | None, str, str]:
    """Returns container, health status and health check's line once it is healthy, has failed, or time is up."""
    deadline = time.monotonic() + seconds
    container, status, line = None, "not created", ""
    while time.monotonic() < deadline:
        container = find_unwell(client, project.settings.compose_project_name, service)
        if container is not None:
            status, line = health_of(container)
            if status in ("healthy", "exited", "dead") or container.attrs["RestartCount"] >= MAX_RESTARTS:
                break
            show(f"{status}: {line}" if line else status)
        time.sleep(0.5)
    return container, status, line


def last_log_lines(container: Container) -> list[str]:
    return readable(container.logs(tail=LOG_LINES).decode(errors="replace")).splitlines()


def observer_urls(client: docker.DockerClient, settings: Settings) -> Mapping[str, str]:
    """Returns the URLs of the running observability services, by service."""
    label = f"com.docker.compose.project={settings.compose_project_name}"
    running = {one.labels.get("com.docker.compose.service") for one in client.containers.list(filters={"label": label})}
    host = "localhost" if settings.observability_address in ("127.0.0.1", "0.0.0.0") else settings.observability_address  # noqa: S104
    return {service: f"http://{host}:{port}" for service, port in settings.observer_ports.items() if service in running}
