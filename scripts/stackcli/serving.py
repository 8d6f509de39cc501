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
from stackcli.log_lines import readable
from stackcli.models import read_manifest, store_folder
from stackcli.paths import ROOT, STATE
from stackcli.releases import read_releases, releases_file
from stackcli.secrets import write_if_changed
from stackcli.tuned import tuned_file

SERVING = ("torchserve", "edge")
HEALTHY_SECONDS = 300
MAX_RESTARTS = 3
LOG_LINES = 20
MOST_NOTED = 10
SERVED = STATE / "served.json"  # start of a container → Inputs: what it read, or was told since
CONFIG = ROOT / "config.properties"

Inputs = dict[str, str]  # by "<name> <version>" the record's digest, by "<name>" its stable version, and "settings"


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
        note_served(after, inputs_of(project))


def start_of(container: Container) -> str:
    """Which start of which container: TorchServe reads the manifest and its configuration only then."""
    return f"{container.id} {container.attrs['State']['StartedAt']}"


def is_outdated(project: Project, container: Container) -> bool:
    """By content for a start made here; by the files' times for one made by Docker or by a person."""
    known = noted_inputs(container)
    if known is not None:
        return known != inputs_of(project)
    started = datetime.fromisoformat(f"{container.attrs['State']['StartedAt'][:19]}+00:00").timestamp()
    settings = project.settings
    read = (store_folder(settings) / "manifest.json", tuned_file(settings), releases_file(settings), CONFIG)
    return any(file.is_file() and file.stat().st_mtime > started for file in read)


def inputs_of(project: Project) -> Inputs:
    """What is served and how; why another model is unavailable, or what is not deployed, is nothing to TorchServe."""
    settings = project.settings
    releases = read_releases(settings)
    available = [model for model in read_manifest(settings).models if model.is_available]
    inputs = {}
    for model in available:
        versions = {one.version for one in available if one.name == model.name}
        release = releases.get(model.name)
        if release is None or model.version in release.deployed or not versions.intersection(release.deployed):
            inputs[f"{model.name} {model.version}"] = digest_of(model.model_dump_json())
        if release:
            inputs[model.name] = release.stable
    read = (CONFIG, tuned_file(settings), ROOT / settings.stack_verify_key)
    texts = [file.read_text() if file.is_file() else "" for file in read]
    return {**inputs, "settings": digest_of(*texts)}


def digest_of(*texts: str) -> str:
    return sha256(json.dumps(texts).encode()).hexdigest()


def noted_inputs(container: Container) -> Inputs | None:
    """None for a start of which nothing is noted: Docker's own, or a person's."""
    return read_noted().get(start_of(container))


def read_noted() -> dict[str, Inputs]:
    """By the start, the latest last."""
    noted: dict[str, Inputs] = json.loads(SERVED.read_text()) if SERVED.is_file() else {}
    return noted


def note_served(container: Container, inputs: Inputs) -> None:
    """One start of each container, for several stacks may have come from this checkout."""
    others = [(start, noted) for start, noted in read_noted().items() if start.split()[0] != container.id]
    noted = {**dict(others[1 - MOST_NOTED :]), start_of(container): inputs}
    write_if_changed(SERVED, json.dumps(noted, indent=1) + "\n")


def note_release(
    project: Project, container: Container, before: Inputs | None, name: str, deployed: tuple[str, ...]
) -> None:
    """A release has changed what the running container serves: that is no reason to restart it.

    before: `inputs_before_release`. deployed: versions that it serves since just now.
    """
    if before is not None:
        now = inputs_of(project)
        changed = {name, *(f"{name} {version}" for version in deployed)}
        note_served(container, {**before, **{key: value for key, value in now.items() if key in changed}})


def inputs_before_release(project: Project, container: Container) -> Inputs | None:
    """What the container serves; None where that is not known, and it may be something else than it should."""
    noted = noted_inputs(container)
    return inputs_of(project) if noted is None and not is_outdated(project, container) else noted


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
    return readable(container.logs(tail=LOG_LINES).decode(errors="replace")).splitlines()
