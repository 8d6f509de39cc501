"""Starts what serves, and notes with what: the next `up` restarts TorchServe only where that has changed since."""

from __future__ import annotations

import json
from datetime import datetime

import docker
from docker.models.containers import Container

from stackcli.common import console
from stackcli.common.files import digest_of, write_if_changed
from stackcli.common.paths import CONFIG, ROOT, STATE
from stackcli.project.compose import Project
from stackcli.project.containers import SERVING, find_container, start_of
from stackcli.store.manifest import label_of, read_manifest, store_folder
from stackcli.store.releases import read_releases, releases_file
from stackcli.store.served import served_versions
from stackcli.store.tuned import tuned_file

MOST_NOTED = 10
SERVED = STATE / "served.json"  # start of a container → Inputs: what it read, or was told since

Inputs = dict[str, str]  # by "<name> <version>" the record's digest, by "<name>" its stable version, and "settings"


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
        versions = [one.version for one in available if one.name == model.name]
        release = releases.get(model.name)
        if model.version in served_versions(versions, release):
            inputs[label_of(model)] = digest_of(model.model_dump_json())
        if release:
            inputs[model.name] = release.stable
    read = (CONFIG, tuned_file(settings), ROOT / settings.stack_verify_key)
    texts = [file.read_text() if file.is_file() else "" for file in read]
    return {**inputs, "settings": digest_of(*texts)}


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
