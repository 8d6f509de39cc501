"""`scripts/stack release list`: every version of every model, and what becomes of it."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from stackcli.common import console
from stackcli.project.inside import Described, read_models
from stackcli.release.change import Stack
from stackcli.status.read import state_of
from stackcli.store.manifest import Model, read_manifest
from stackcli.store.releases import Release, read_releases


def show_releases(stack: Stack) -> None:
    """From three sides: the manifest, releases.json, and the containers themselves."""
    releases = read_releases(stack.project.settings)
    served = [read_models(server) for server in stack.servers]
    table = Table("model", "version", "state", "release", box=None, padding=(0, 2, 0, 0), header_style="bold")
    manifest = read_manifest(stack.project.settings).models
    for model in [*manifest, *missing_models(manifest, releases)]:
        state = states_of(model, served)
        colour = {"READY": "green", "BUILT": "blue", "UNAVAILABLE": "yellow"}.get(state, "red")
        note = note_of(model, releases.get(model.name), served[0])
        table.add_row(model.name, model.version, f"[{colour}]{state}[/{colour}]", escape(note))
    console.out.print(table)


def missing_models(manifest: list[Model], releases: dict[str, Release]) -> list[Model]:
    """What is deployed by releases.json, and in no manifest."""
    known = {(model.name, model.version) for model in manifest}
    deployed = [(name, version) for name, release in releases.items() for version in release.deployed]
    missing = [key for key in deployed if key not in known]
    return [Model(name=name, version=version, status="missing") for name, version in missing]


def states_of(model: Model, served: list[list[Described]]) -> str:
    """As every container sees it; where they differ, as each does."""
    if model.status == "missing":
        return "MISSING"
    states = [state_of(model, one).replace("NOT SERVED", "BUILT") for one in served]
    return states[0] if len(set(states)) == 1 else ", ".join(states)


def note_of(model: Model, release: Release | None, served: list[Described]) -> str:
    """Which requests it gets, but for those that name it."""
    if release is None:
        is_default = any(
            one["default"] for one in served if (one["modelName"], one["modelVersion"]) == (model.name, model.version)
        )
        return "stable" if is_default else ""
    words = ["stable"] if model.version == release.stable else []
    if release.canary and release.canary.version == model.version:
        sticky = f", sticky by {release.canary.sticky_header}" if release.canary.sticky_header else ""
        words.append(f"canary: {release.canary.weight} %{sticky}")
    words += ["previous"] if model.version == release.previous else []
    return ", ".join(words or (["deployed"] if model.version in release.deployed else []))
