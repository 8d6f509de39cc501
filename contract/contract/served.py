"""Decides, for every part of the stack, which versions are served, which is a model's default, and what is wrong.

The runtime supplies what it found about each archive by hash and signature, the edge what TorchServe has loaded, and
the command line either. tests/containers/store_states.py lists the states of a store and what each part makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from contract.failure import Failure
from contract.releases import RELEASES, Canary, Release


class State(Enum):
    """The state of a version in the manifest."""

    SERVED = "served"
    BUILT = "built"  # but not deployed by the model's release
    CORRUPT = "corrupt"  # the archive is not the one in the manifest
    REFUSED = "refused"  # the record is unsigned, or signed with another key
    UNAVAILABLE = "unavailable"  # the builder could not build it


@dataclass(frozen=True)
class Version:
    """A version of a model, its state and, unless it is served, the reason.

    `is_candidate`: it becomes the default only by a release. `is_fault`: it should be served but cannot be, so the
    stack is unhealthy.
    """

    name: str
    version: str
    state: State = State.SERVED
    reason: Failure | None = None
    is_candidate: bool = False
    is_default: bool = False
    is_fault: bool = False

    @property
    def label(self) -> str:
        """Returns name and version as people write them: `mnist 1.0`."""
        return f"{self.name} {self.version}"

    @property
    def said(self) -> str:
        """Describes the state, in the same words for the log, the container's health and `status`."""
        return f"{self.label}: {self.state.value}" + (
            "" if self.state is State.SERVED else f", not served: {self.reason}"
        )


AnyVersion = TypeVar("AnyVersion", bound=Version)


@dataclass(frozen=True)
class Decision(Generic[AnyVersion]):
    """Every version with its state; the releases in force, by model; `problems`: what the user should know."""

    versions: tuple[AnyVersion, ...]
    releases: Mapping[str, Release]
    problems: tuple[Failure, ...] = ()

    @property
    def served(self) -> list[AnyVersion]:
        """Returns the versions that TorchServe should load."""
        return [version for version in self.versions if version.state is State.SERVED]

    @property
    def faults(self) -> list[AnyVersion]:
        """Returns the versions that should be served but cannot be."""
        return [version for version in self.versions if version.is_fault]

    @property
    def defaults(self) -> dict[str, str]:
        """Returns, by model, the version that unversioned requests get."""
        return {version.name: version.version for version in self.versions if version.is_default}


def decide(found: Sequence[AnyVersion], releases: Mapping[str, Release]) -> Decision[AnyVersion]:
    """Applies `releases` to `found`: usable versions with the state SERVED, the others with their reason."""
    versions: list[AnyVersion] = []
    in_force: dict[str, Release] = {}
    problems: list[Failure] = []
    for name in dict.fromkeys([*(version.name for version in found), *releases]):
        own = [version for version in found if version.name == name]
        release = releases.get(name)
        usable = [version.version for version in own if version.state is State.SERVED]
        deployed = [version for version in usable if release and version in release.deployed]
        served = deployed or usable
        default = _default(own, served, release) if served else None
        if release:
            problems += _problems(name, release, usable, served)
        if release and deployed and default:
            in_force[name] = _in_force(release, served, default)
        versions += [_judged(version, release, served, default) for version in own]
    return Decision(tuple(versions), in_force, tuple(problems))


def _judged(version: AnyVersion, release: Release | None, served: Sequence[str], default: str | None) -> AnyVersion:
    if version.state in (State.CORRUPT, State.REFUSED):
        return replace(version, is_fault=release is None or version.version in release.deployed)
    if version.state is State.SERVED and version.version not in served:
        remedy = f"`scripts/stack release deploy {version.label}`"
        reason = Failure(f"{version.label} among the deployed versions ({RELEASES})", "it is not", remedy)
        return replace(version, state=State.BUILT, reason=reason)
    return replace(version, is_default=version.version == default)


def _default(versions: Sequence[Version], served: Sequence[str], release: Release | None) -> str:
    """Returns the release's stable or previous version, else the first that is no candidate, else the first."""
    released = [release.stable, release.previous] if release else []
    settled = [version.version for version in versions if not version.is_candidate]
    wanted = [version for version in (*released, *settled, served[0]) if version in served]
    return wanted[0] or ""


def _in_force(release: Release, served: Sequence[str], default: str) -> Release:
    """Returns the release without the versions that cannot be served."""
    previous = release.previous if release.previous in served and release.previous != default else None
    canary: Canary | None = release.canary
    if canary and canary.version not in served:
        canary = None
    return Release(default, tuple(served), previous, canary)


def _problems(name: str, release: Release, usable: Sequence[str], served: Sequence[str]) -> list[Failure]:
    instead = f"{', '.join(served) or 'no version'} is served"
    return [
        Failure(
            f"{name} {version} in the model store ({RELEASES})",
            f"no archive to serve; {instead}",
            "`scripts/stack release list`",
        )
        for version in sorted(set(release.deployed).difference(usable))
    ]
