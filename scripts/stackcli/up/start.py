"""Starts what serves, and brings a stack that runs up to date: version by version where that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import docker
from docker.models.containers import Container

from contract.archive import content_sha256
from contract.manifest import key_of, read_manifest
from contract.served import Decision, Version
from stackcli.common import console
from stackcli.common.errors import ServeError
from stackcli.common.paths import CONFIG, ROOT
from stackcli.project.compose import Project
from stackcli.project.containers import SERVING, find_containers, start_of
from stackcli.project.inside import ServedState, read_state, run_inside, warn_of
from stackcli.store.manifest import store_folder
from stackcli.store.served import decide_served
from stackcli.store.tuned import tuned_file

# The actions of `python -m runtime.release`.
UNDEPLOY, DEPLOY, DEFAULT = "undeploy", "deploy", "default"


@dataclass(frozen=True)
class Change:
    """One step of `python -m runtime.release`: what a running TorchServe is to do with a version."""

    action: str
    name: str
    version: str


def start(client: docker.DockerClient, project: Project) -> None:
    """Creates or recreates the containers that need it; gives the others what has changed since their start."""
    name = project.settings.compose_project_name
    before = {start_of(server) for server in find_containers(client, name)}
    project.do("up", "--detach", "--no-deps", "--no-build", *SERVING)
    kept = [server for server in find_containers(client, name) if start_of(server) in before]
    states = {server: state_of_start(server) for server in kept}
    for edge in find_containers(client, name, "edge"):
        if is_older(edge, CONFIG):
            # Its mount goes on showing the file that it started with when another takes that file's name.
            console.say("edge: restarting with what changed")
            project.do("restart", "--no-deps", "edge")
            break
    if any(state is None or state.settings != settings_sha256(project) for state in states.values()):
        console.say("torchserve: restarting with what changed")
        project.do("restart", "--no-deps", "torchserve")
        return
    for server, state in states.items():
        if state:
            bring_up_to_date(project, server, state)


def state_of_start(server: Container) -> ServedState | None:
    """None where TorchServe does not answer, so that only a new start can help."""
    try:
        return read_state(server)
    except ServeError:
        return None


def is_older(container: Container, file: Path) -> bool:
    """Whether the file has changed since the container started."""
    started = datetime.fromisoformat(f"{container.attrs['State']['StartedAt'][:19]}+00:00").timestamp()
    return file.is_file() and file.stat().st_mtime > started


def settings_sha256(project: Project) -> str:
    """What the runtime hashes at its start (runtime/prepare.py), as it is now."""
    return content_sha256((CONFIG, tuned_file(project.settings), ROOT / project.settings.stack_verify_key))


def bring_up_to_date(project: Project, server: Container, state: ServedState) -> None:
    """Versions that did not change go on answering. Raises ServeError for a version that is refused, which stays."""
    for change in find_changes(project, state):
        with console.waiting(f"{server.name}: {change.action} {change.name} {change.version}"):
            done = run_inside(server, "runtime.release", change.action, change.name, change.version)
        warn_of(done, f"{change.name} {change.version}")
        if done["done"] != "unchanged":
            console.done(f"{server.name}: {change.name} {change.version} {done['done']}")


def find_changes(project: Project, state: ServedState) -> list[Change]:
    """What makes the running TorchServe serve what a new start would: new archives, other defaults, versions less."""
    decision = decide_served(project.settings)
    wanted = {(version.name, version.version): version for version in decision.served}
    running = {(one["modelName"], one["modelVersion"]) for one in state.served}
    archives = {(one["name"], one["version"]): one["sha256"] for one in state.chosen if one["state"] == "served"}
    built = {key_of(record): record.get("sha256") for record in read_manifest(store_folder(project.settings))}
    deployed = [Change(DEPLOY, *key) for key in wanted if key not in running or archives.get(key) != built[key]]
    gone = [Change(UNDEPLOY, *key) for key in sorted(running - wanted.keys())]
    return [*deployed, *find_defaults(decision, state), *gone]


def find_defaults(decision: Decision[Version], state: ServedState) -> list[Change]:
    """TorchServe makes the first version that it loads the default; it keeps that whatever comes."""
    now = {one["modelName"]: one["modelVersion"] for one in state.served if one["default"]}
    return [Change(DEFAULT, name, version) for name, version in decision.defaults.items() if now.get(name) != version]
