"""Starts torchserve and the edge, and updates a running stack, version by version if that is enough."""

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
    """One step of `python -m runtime.release`: an action of a running TorchServe on a version."""

    action: str
    name: str
    version: str


def start(client: docker.DockerClient, project: Project) -> None:
    """Creates or recreates the containers that need it, and updates the others. Raises StackError."""
    name = project.settings.compose_project_name
    before = {start_of(server) for server in find_containers(client, name)}
    project.do("up", "--detach", "--no-deps", "--no-build", *SERVING)
    kept = [server for server in find_containers(client, name) if start_of(server) in before]
    states = {server: state_of_start(server) for server in kept}
    for edge in find_containers(client, name, "edge"):
        if is_older(edge, CONFIG):
            # A bind-mounted file keeps showing the one that was there at the start, even after it is replaced.
            console.say("edge: restarting with the changed configuration")
            project.do("restart", "--no-deps", "edge")
            break
    if any(state is None or state.settings != settings_sha256(project) for state in states.values()):
        console.say("torchserve: restarting with the changed configuration")
        project.do("restart", "--no-deps", "torchserve")
        return
    for server, state in states.items():
        if state:
            bring_up_to_date(project, server, state)


def state_of_start(server: Container) -> ServedState | None:
    """Returns the container's state; None if TorchServe does not answer, so that only a restart can help."""
    try:
        return read_state(server)
    except ServeError:
        return None


def is_older(container: Container, file: Path) -> bool:
    """Tells whether the file has changed since the container started."""
    started = datetime.fromisoformat(f"{container.attrs['State']['StartedAt'][:19]}+00:00").timestamp()
    return file.is_file() and file.stat().st_mtime > started


def settings_sha256(project: Project) -> str:
    """Returns the current hash of the files that the runtime hashes at its start (runtime/prepare.py)."""
    return content_sha256((CONFIG, tuned_file(project.settings), ROOT / project.settings.stack_verify_key))


def bring_up_to_date(project: Project, server: Container, state: ServedState) -> None:
    """Applies the changes; unchanged versions keep answering. Raises ServeError if a version is refused."""
    for change in find_changes(project, state):
        with console.waiting(f"{server.name}: {change.action} {change.name} {change.version}"):
            done = run_inside(server, "runtime.release", change.action, change.name, change.version)
        warn_of(done, f"{change.name} {change.version}")
        if done["done"] != "unchanged":
            console.done(f"{server.name}: {change.name} {change.version} {done['done']}")


def find_changes(project: Project, state: ServedState) -> list[Change]:
    """Returns the steps to what a new start would serve: new archives, other defaults, removed versions; [] if none."""
    decision = decide_served(project.settings)
    wanted = {(version.name, version.version): version for version in decision.served}
    running = {(one["modelName"], one["modelVersion"]) for one in state.served}
    archives = {(one["name"], one["version"]): one["sha256"] for one in state.chosen if one["state"] == "served"}
    built = {key_of(record): record.get("sha256") for record in read_manifest(store_folder(project.settings))}
    deployed = [Change(DEPLOY, *key) for key in wanted if key not in running or archives.get(key) != built[key]]
    gone = [Change(UNDEPLOY, *key) for key in sorted(running - wanted.keys())]
    return [*deployed, *find_defaults(decision, state), *gone]


def find_defaults(decision: Decision[Version], state: ServedState) -> list[Change]:
    """Returns the changes of default versions: TorchServe keeps the first version it loads as the default."""
    now = {one["modelName"]: one["modelVersion"] for one in state.served if one["default"]}
    return [Change(DEFAULT, name, version) for name, version in decision.defaults.items() if now.get(name) != version]
