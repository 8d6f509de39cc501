"""Starts TorchServe and waits until every model has a READY worker."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import docker
from docker.models.containers import Container

from stackcli import console
from stackcli.compose import Project
from stackcli.errors import ServeError
from stackcli.models import read_manifest, store_folder
from stackcli.paths import ROOT, STATE
from stackcli.secrets import write_if_changed
from stackcli.tuned import tuned_file

SERVING = ("torchserve", "edge")
HEALTHY_SECONDS = 300
MAX_RESTARTS = 3
LOG_LINES = 20
SERVED = STATE / "served.json"  # start of a container → digest of what it read
CONFIG = ROOT / "config.properties"


def find_containers(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> list[Container]:
    """The project's containers of that service in the order of their numbers, running or not."""
    labels = [f"com.docker.compose.project={project_name}", f"com.docker.compose.service={service}"]
    labels.append("com.docker.compose.oneoff=False")
    found = client.containers.list(all=True, filters={"label": labels})
    return sorted(found, key=lambda container: int(container.labels["com.docker.compose.container-number"]))


def find_container(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> Container | None:
    """The first of them."""
    return next(iter(find_containers(client, project_name, service)), None)


def find_unwell(client: docker.DockerClient, project_name: str, service: str = "torchserve") -> Container | None:
    """The first of them that is not healthy; where all are, the first."""
    found = find_containers(client, project_name, service)
    unwell = (container for container in found if health_of(container)[0] != "healthy")
    return next(unwell, next(iter(found), None))


def start(client: docker.DockerClient, project: Project) -> None:
    """Starts what serves, or restarts torchserve where what it read at its start has changed since."""
    name = project.settings.compose_project_name
    before = find_container(client, name)
    project.do("up", "--detach", "--no-deps", "--no-build", *SERVING)
    after = find_container(client, name)
    if before and after and start_of(before) == start_of(after) and is_outdated(project, after):
        console.say("torchserve: restarting with what changed")
        project.do("restart", "--no-deps", "torchserve")
        after = find_container(client, name)
    if after:
        write_if_changed(SERVED, json.dumps({start_of(after): digest_of_inputs(project)}) + "\n")


def start_of(container: Container) -> str:
    """Which start of which container: TorchServe reads the manifest and its configuration only then."""
    return f"{container.id} {container.attrs['State']['StartedAt']}"


def is_outdated(project: Project, container: Container) -> bool:
    """By content for a start made here; by the files' times for one made by Docker or by a person."""
    served = json.loads(SERVED.read_text()) if SERVED.is_file() else {}
    known = served.get(start_of(container))
    if known is not None:
        return bool(known != digest_of_inputs(project))
    started = datetime.fromisoformat(f"{container.attrs['State']['StartedAt'][:19]}+00:00").timestamp()
    read = (store_folder(project.settings) / "manifest.json", tuned_file(project.settings), CONFIG)
    return any(file.is_file() and file.stat().st_mtime > started for file in read)


def digest_of_inputs(project: Project) -> str:
    """Of what is served and how; why another model is unavailable makes no difference to TorchServe."""
    available = [model.model_dump() for model in read_manifest(project.settings).models if model.is_available]
    read = (CONFIG, tuned_file(project.settings), ROOT / project.settings.stack_verify_key)
    texts = [file.read_text() if file.is_file() else "" for file in read]
    return sha256(json.dumps([available, *texts], sort_keys=True).encode()).hexdigest()


def health_of(container: Container) -> tuple[str, str]:
    """Docker's word (starting, healthy, unhealthy, or the container's state) and the probe's last line."""
    state: dict[str, Any] = container.attrs["State"]
    health = state.get("Health") or {}
    outputs = [str(probe.get("Output", "")).strip() for probe in health.get("Log") or []]
    line = outputs[-1].splitlines()[-1] if outputs and outputs[-1] else ""
    line = re.sub(r"^(un)?healthy: ", "", line)  # Docker's word says it
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
        "the log lines above, `scripts/stack doctor`",
    )


def watch_health(
    client: docker.DockerClient, project: Project, service: str, seconds: float, show: Callable[[str], None]
) -> tuple[Container | None, str, str]:
    """The container, Docker's word and the probe's line, once it is healthy, has given up, or the time is over."""
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
    return str(container.logs(tail=LOG_LINES).decode(errors="replace")).splitlines()
