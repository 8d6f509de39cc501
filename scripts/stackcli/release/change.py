"""`scripts/stack release`: changes which versions the running stack serves, and which one unversioned requests get.

A change starts in the torchserve containers (`python -m runtime.release` in each), is written to releases.json once all
of them have made it, and ends when the edge routes by it. Every requested version stays available throughout.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import docker
from docker.models.containers import Container

from contract.releases import Canary, Release
from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError, StackError
from stackcli.project.compose import Project
from stackcli.project.containers import find_containers
from stackcli.project.inside import read_models, run_inside, warn_of
from stackcli.release.canary import Verdict, judge, read_samples, samples_table
from stackcli.store.manifest import Model, read_manifest
from stackcli.store.releases import read_releases, write_release

EDGE_SECONDS = 30.0
# In the edge's container: the releases in force, as the page gets them.
IN_FORCE = "/run/edge/served.json"
LIST = "`scripts/stack release list`"
# Messages for the outcomes of `python -m runtime.release deploy`.
SAID = {
    "deployed": "READY, {answers} answers to its samples were right",
    "swapped": "its new archive is READY, {answers} answers to its samples were right",
    "unchanged": "already served",
}


@dataclass(frozen=True)
class Stack:
    """The running stack and its torchserve containers, of which there may be several."""

    client: docker.DockerClient
    project: Project
    servers: list[Container]

    @classmethod
    def running(cls, client: docker.DockerClient, project: Project) -> Stack:
        """Finds the running containers. Raises ServeError if no torchserve container runs."""
        servers = running(client, project, "torchserve")
        if not servers:
            raise ServeError("a running torchserve container", "none", "`scripts/stack up`")
        return cls(client, project, servers)

    @property
    def edges(self) -> list[Container]:
        return running(self.client, self.project, "edge")

    def served(self, name: str) -> dict[str, dict[str, Any]]:
        """Returns a model's versions that every container serves, as TorchServe describes them; {} if none."""
        described = [
            {one["modelVersion"]: one for one in read_models(server) if one["modelName"] == name}
            for server in self.servers
        ]
        return {version: one for version, one in described[0].items() if all(version in other for other in described)}

    def release_of(self, name: str) -> Release:
        """Returns the model's release; without one, what TorchServe serves now. Raises ConfigError and ServeError."""
        release = read_releases(self.project.settings).get(name)
        if release:
            return release
        served = self.served(name)
        default = next((version for version, one in served.items() if one["default"]), None)
        if default is None:
            raise ServeError(f"a served version of {name}", "none", LIST)
        return Release(default, tuple(served))


def running(client: docker.DockerClient, project: Project, service: str) -> list[Container]:
    found = find_containers(client, project.settings.compose_project_name, service)
    return [container for container in found if container.status == "running"]


def deploy(stack: Stack, name: str, version: str) -> Release:
    """Deploys a version in every container or in none; unversioned requests are not affected. Raises StackError."""
    built_model(stack.project, name, version)
    deployed: list[Container] = []
    release = stack.release_of(name) if stack.served(name) else Release(version, ())
    try:
        for server in stack.servers:
            with console.waiting(f"{server.name}: {name} {version}"):
                done = run_inside(server, "runtime.release", "deploy", name, version)
            console.done(f"{server.name}: {name} {version}: {SAID[done['done']].format(**done)}")
            warn_of(done, f"{name} {version}")
            deployed += [server] if done["done"] == "deployed" else []
    except BaseException:
        for server in deployed:
            run_inside(server, "runtime.release", "undeploy", name, version)
            console.say(f"{server.name}: {name} {version} is removed again")
        raise
    return put_in_force(stack, name, release.with_deployed(version))


def set_canary(stack: Stack, name: str, canary: Canary) -> Release:
    """Gives a version a share of the unversioned requests; deploys it first if necessary. Raises StackError."""
    release = stack.release_of(name)
    if release.stable == canary.version:
        raise ConfigError(f"a canary of {name} that is not its stable version", f"{release.stable}", LIST)
    if canary.version not in release.deployed or not is_ready(stack, name, canary.version):
        release = deploy(stack, name, canary.version)
    release = put_in_force(stack, name, release.with_canary(canary))
    rest = f"{release.stable} the rest" + (f", {canary.sticky_header} decides" if canary.sticky_header else "")
    console.done(f"{name}: {canary.version} gets {canary.weight} % of the unversioned requests, {rest}")
    return release


def promote(stack: Stack, name: str, version: str | None = None) -> None:
    """Makes `version`, by default the canary, the stable version. Raises ConfigError and ServeError."""
    release = stack.release_of(name)
    version = version or canary_of(name, release).version
    if version == release.stable:
        raise ConfigError(f"a version of {name} to promote", f"{version}, which is already stable", LIST)
    require_ready(stack, name, version)
    switch(stack, name, release.promoted(version), release.stable)


def roll_back(stack: Stack, name: str) -> None:
    """Ends the canary; without one, makes the previous version stable again. Raises ConfigError and ServeError."""
    release = stack.release_of(name)
    if release.canary:
        put_in_force(stack, name, release.rolled_back())
        console.done(f"{name}: {release.stable} gets all unversioned requests, {release.canary.version} none")
        return
    if release.previous is None:
        raise ConfigError(f"a canary or a previous version of {name} {release.stable}", "neither", LIST)
    require_ready(stack, name, release.previous)
    switch(stack, name, release.rolled_back(), release.stable)


def decide(stack: Stack, name: str, seconds: float, least: int) -> None:
    """Promotes or rolls back the canary by what the edge logs in the next `seconds` (canary.py). Raises StackError."""
    release = stack.release_of(name)
    versions = (release.stable, canary_of(name, release).version)
    began = time.time()
    with console.waiting(f"{name}: comparing {' and '.join(versions)}") as wait:
        for second in range(round(seconds)):
            wait.update(f"{round(seconds)} s", second, round(seconds))
            time.sleep(1)
    stable, canary = read_samples(edge_log(stack, began), name, versions)
    console.out.print(samples_table((stable, canary)))
    verdict: Verdict = judge(stable, canary, least)
    if verdict.decision == "undecided":
        remedy = "a longer --window, or a higher --weight of the canary"
        raise ServeError("enough requests to compare the versions; nothing has changed", verdict.reason, remedy)
    console.say(f"{verdict.decision}: {canary.version}: {verdict.reason}")
    if verdict.decision == "promote":
        promote(stack, name)
    else:
        roll_back(stack, name)


def switch(stack: Stack, name: str, release: Release, before: str) -> None:
    """Changes TorchServe's default version first, for clients that bypass the edge, then the edge's."""
    done: list[Container] = []
    try:
        for server in stack.servers:
            run_inside(server, "runtime.release", "default", name, release.stable)
            done.append(server)
    except StackError:
        for server in done:
            run_inside(server, "runtime.release", "default", name, before)
        raise
    put_in_force(stack, name, release)
    console.done(f"{name}: {release.stable} is stable; {before} stays deployed")


def put_in_force(stack: Stack, name: str, release: Release) -> Release:
    """Writes releases.json and waits until every edge routes by it. Raises ConfigError and ServeError."""
    write_release(stack.project.settings, name, release)
    for edge in stack.edges:
        wait_for_edge(edge, name, release)
    return release


def wait_for_edge(edge: Container, name: str, release: Release) -> None:
    """Waits until the edge routes by the release. Raises ServeError after EDGE_SECONDS."""
    deadline, found = time.monotonic() + EDGE_SECONDS, "no answer"
    while time.monotonic() < deadline:
        printed = edge.exec_run(["cat", IN_FORCE])
        models = json.loads(cast("bytes", printed.output))["models"] if printed.exit_code == 0 else []
        for model in models:
            if model["name"] == name:
                canary = Canary(**model["canary"]) if model["canary"] else None
                versions = {version["version"] for version in model["versions"]}
                if (model["stable"], canary, versions) == (release.stable, release.canary, set(release.deployed)):
                    return
                found = f"stable {model['stable']}, canary {canary}"
        time.sleep(0.1)
    raise ServeError(f"the edge to apply the release of {name}", found, "`docker compose logs edge`")


def edge_log(stack: Stack, since: float) -> Iterable[str]:
    """Yields the edges' log lines since `since`, in seconds since the epoch. Raises ServeError if no edge runs."""
    if not stack.edges:
        raise ServeError("a running edge, whose log the comparison reads", "none", "`scripts/stack up`")
    for edge in stack.edges:
        yield from edge.logs(since=since).decode(errors="replace").splitlines()


def built_model(project: Project, name: str, version: str) -> Model:
    """Returns the version's record in the manifest. Raises ConfigError if there is none with an archive."""
    models = [model for model in read_manifest(project.settings).models if model.name == name]
    if not models:
        raise ConfigError(f"a model named {name} in the manifest", "none", LIST)
    model = next((model for model in models if model.version == version), None)
    if model is None:
        found = ", ".join(model.version for model in models)
        raise ConfigError(f"a version {version} of {name}", f"{found} in the manifest", f"`scripts/stack build {name}`")
    if not model.is_available:
        raise ConfigError(f"an archive of {name} {version}", f"it is unavailable: {model.reason}", model.remedy)
    return model


def canary_of(name: str, release: Release) -> Canary:
    if release.canary is None:
        raise ConfigError(f"a canary of {name}", "none", f"`scripts/stack release canary {name} VERSION`")
    return release.canary


def is_ready(stack: Stack, name: str, version: str) -> bool:
    workers = stack.served(name).get(version, {}).get("workers", [])
    return bool(workers) and all(worker["status"] == "READY" for worker in workers)


def require_ready(stack: Stack, name: str, version: str) -> None:
    built_model(stack.project, name, version)
    if not is_ready(stack, name, version):
        state = "a worker that is not READY" if version in stack.served(name) else "it is not deployed"
        remedy = f"`scripts/stack release deploy {name} {version}`"
        raise ServeError(f"{name} {version} READY in every container", state, remedy)
