"""`scripts/stack doctor`: checks everything and explains each failure; changes nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping

import docker
from docker.models.containers import Container

from contract.served import State
from stackcli.common.check import Check
from stackcli.common.errors import StackError
from stackcli.project.compose import Project
from stackcli.project.containers import find_unwell, health_of
from stackcli.project.log_lines import readable
from stackcli.project.settings import Settings
from stackcli.status.read import inside_of, state_of
from stackcli.store.manifest import read_manifest, store_folder
from stackcli.store.served import decide_served
from stackcli.up.preflight import run_preflight

# Other programs' log messages → remedy; the stack's own processes report failures as data.
LOG_HINTS: Mapping[str, str] = {
    r"OutOfMemoryError|out of memory|Killed": "a larger TORCHSERVE_MEMORY in .env, or TORCHSERVE_WORKERS=1",
    r"No space left on device": "freeing disk space, or fewer models (archives are unpacked into a 2 GiB tmpfs)",
    r"Address already in use": "another port in .env",
    r"Permission denied": "`scripts/stack up` as the user who owns model_store",
}


def all_checks(client: docker.DockerClient | None, project: Project) -> list[Check]:
    """Runs every check. `client`: None if no engine answers."""
    checks = run_preflight(client, project.settings, "auto", yes=False)
    checks += [check_compose(project), check_manifest(project.settings)]
    if client is not None:
        name = project.settings.compose_project_name
        checks += check_container(find_unwell(client, name), project.settings)
        checks.append(check_edge_container(find_unwell(client, name, "edge")))
    return checks


def check_compose(project: Project) -> Check:
    if shutil.which("docker") is None:
        return Check("compose.yaml", "failed", "no docker command to read it", "Docker", "`scripts/stack up --yes`")
    try:
        project.config()
    except StackError as error:
        return Check("compose.yaml", "failed", error.found, error.expected, error.remedy)
    return Check("compose.yaml", "ok", "valid")


def check_manifest(settings: Settings) -> Check:
    try:
        models = read_manifest(settings).models
    except StackError as error:
        return Check("manifest", "failed", error.found, error.expected, error.remedy)
    missing = [model for model in models if not model.is_available]
    if missing:
        first = missing[0]
        return Check(
            "manifest", "warning", f"{first.name} unavailable: {first.reason}", "every model available", first.remedy
        )
    if not models:
        return Check("manifest", "failed", f"none in {store_folder(settings)}", "built models", "`scripts/stack up`")
    return Check("manifest", "ok", f"{len(models)} models")


def check_container(container: Container | None, settings: Settings) -> list[Check]:
    if container is None:
        return [Check("torchserve", "failed", "no container", "a running stack", "`scripts/stack up`")]
    status, line = health_of(container)
    found = f"{status}{f': {line}' if line else ''}"
    log = readable(container.logs(tail=300).decode(errors="replace"))
    if status == "healthy":
        checks = [Check("torchserve", "ok", found)]
    else:
        checks = [Check("torchserve", "failed", found, "a healthy container", hint_from(log))]
    inside = inside_of(container)
    for version in decide_served(settings, inside.chosen if inside else ()).versions:
        state = state_of(version, inside)
        if version.is_fault and version.reason:
            found = f"{state}: {version.reason.found}"
            checks.append(
                Check(f"model {version.label}", "failed", found, version.reason.expected, version.reason.remedy)
            )
        elif version.state is State.SERVED and state != "READY":
            checks.append(Check(f"model {version.label}", "failed", state, "READY workers", hint_from(log)))
    return checks


def check_edge_container(container: Container | None) -> Check:
    if container is None:
        return Check("edge", "failed", "no container", "a running edge", "`scripts/stack up`")
    status, line = health_of(container)
    found = f"{status}{f': {line}' if line else ''}"
    if status == "healthy":
        return Check("edge", "ok", found)
    log = readable(container.logs(tail=300).decode(errors="replace"))
    return Check("edge", "failed", found, "a healthy container", hint_from(log, "edge"))


def hint_from(log: str, service: str = "torchserve") -> str:
    """Returns the remedy for the latest known problem in the log, or the command that shows the log."""
    for line in reversed(log.splitlines()):
        for pattern, remedy in LOG_HINTS.items():
            if re.search(pattern, line):
                return f"{remedy} (the log says: {line.strip()[:160]})"
    return f"`docker compose logs --tail 50 {service}`"
