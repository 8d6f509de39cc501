"""`scripts/stack release list`: shows every version of every model, and its part in the release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.markup import escape
from rich.table import Table

from contract.releases import Release
from contract.served import Version
from stackcli.common import console
from stackcli.project.inside import Described, ServedState, read_state
from stackcli.release.change import Stack
from stackcli.status.as_table import COLOURS
from stackcli.status.read import state_of
from stackcli.store.releases import read_releases
from stackcli.store.served import decide_served


def show_releases(stack: Stack) -> None:
    """Prints the versions, from the manifest, releases.json and the containers themselves."""
    releases = read_releases(stack.project.settings)
    insides = [read_state(server) for server in stack.servers]
    table = Table("model", "version", "state", "release", box=None, padding=(0, 2, 0, 0), header_style="bold")
    decisions = [decide_served(stack.project.settings, inside.chosen) for inside in insides]
    for versions in zip(*(decision.versions for decision in decisions), strict=True):
        version = versions[0]
        states = [state_in(one, inside) for one, inside in zip(versions, insides, strict=True)]
        # One state if all containers agree, else one for each container.
        state = states[0] if len(set(states)) == 1 else ", ".join(states)
        add_row(table, version, state, note_of(version, releases.get(version.name), insides[0].served))
    for version in missing_versions(decisions[0].versions, releases):
        add_row(table, version, "MISSING", note_of(version, releases[version.name], []))
    console.out.print(table)


def state_in(version: Version, inside: ServedState) -> str:
    """Returns the state; a version built since the start is BUILT here, because `release deploy` is what serves it."""
    return state_of(version, inside).replace("NOT SERVED", "BUILT")


def add_row(table: Table, version: Version, state: str, note: str) -> None:
    colour = COLOURS.get(state, "red")
    table.add_row(version.name, version.version, f"[{colour}]{state}[/{colour}]", escape(note))


def missing_versions(manifest: Iterable[Version], releases: Mapping[str, Release]) -> list[Version]:
    """Returns the versions that releases.json deploys and the manifest lacks; [] if there are none."""
    known = {(version.name, version.version) for version in manifest}
    deployed = [(name, version) for name, release in releases.items() for version in release.deployed]
    return [Version(*key) for key in deployed if key not in known]


def note_of(model: Version, release: Release | None, served: list[Described]) -> str:
    """Says which unversioned requests the version gets; empty if none."""
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
