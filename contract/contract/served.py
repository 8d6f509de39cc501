"""Which versions are served, which is a model's default, and what is wrong: decided here for every part of the stack.

The runtime puts in what it found of each archive by hash and signature; the edge what TorchServe says it has; the
command line either. tests/contract/store_states.py lists the states of a store, and what follows from each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from contract.failure import Failure
from contract.releases import RELEASES, Canary, Release


class State(Enum):
    """What becomes of a version of the manifest."""

    SERVED = "served"
    BUILT = "built"  # a release leaves it out
    CORRUPT = "corrupt"  # the archive is not the one that the manifest describes
    REFUSED = "refused"  # the record is not signed, or not with the key
    UNAVAILABLE = "unavailable"  # the builder could not build it


@dataclass(frozen=True)
class Version:
    """A version of a model, its state and, unless it is served, the reason.

    `is_candidate`: without a release it is not the default. `is_fault`: it should be served and cannot be, so the stack
    is not healthy.
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
        """Name and version as people write them: `mnist 1.0`."""
        return f"{self.name} {self.version}"

    @property
    def said(self) -> str:
        """The same words in the log, in the container's health and in `status`."""
        return f"{self.label}: {self.state.value}" + (
            "" if self.state is State.SERVED else f", not served: {self.reason}"
        )


AnyVersion = TypeVar("AnyVersion", bound=Version)


@dataclass(frozen=True)
class Decision(Generic[AnyVersion]):
    """Every version with its state; the releases that are in force, by model; `problems`: what a person should know."""

    versions: tuple[AnyVersion, ...]
    releases: Mapping[str, Release]
    problems: tuple[Failure, ...] = ()

    @property
    def served(self) -> list[AnyVersion]:
        """The versions that TorchServe is to have."""
        return [version for version in self.versions if version.state is State.SERVED]

    @property
    def faults(self) -> list[AnyVersion]:
        """The versions that should be served and cannot be."""
        return [version for version in self.versions if version.is_fault]

    @property
    def defaults(self) -> dict[str, str]:
        """By model, the version that unversioned requests get."""
        return {version.name: version.version for version in self.versions if version.is_default}


def decide(found: Sequence[AnyVersion], releases: Mapping[str, Release]) -> Decision[AnyVersion]:
    """Applies `releases` to what was `found`: versions that are SERVED if they may be, else with the reason why not."""
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
    """The release's stable version, or the one before; else the first that is no candidate; else the first."""
    released = [release.stable, release.previous] if release else []
    settled = [version.version for version in versions if not version.is_candidate]
    wanted = [version for version in (*released, *settled, served[0]) if version in served]
    return wanted[0] or ""


def _in_force(release: Release, served: Sequence[str], default: str) -> Release:
    """The release without what cannot be served."""
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
