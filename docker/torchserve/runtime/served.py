"""Which of the manifest's versions are served, and which of a model's is the default: as releases.json says.

`scripts/stack release` writes that file. Nothing in it is a reason not to start: what cannot be used is said and passed
over. The edge reads the same file (edge/models.py) and comes to the same versions.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

from runtime.manifest import Model, Verdict

RELEASES_NAME = "releases.json"


@dataclass(frozen=True)
class Release:
    """One model's entry: its versions that are served, and of them the default one, and the one before that."""

    stable: str
    previous: Optional[str]
    deployed: tuple[str, ...]


@dataclass(frozen=True)
class Served:
    """`models`: the manifest's, with the verdicts in effect; `defaults`: version by name; `problems`: for the log."""

    models: list[Model]
    defaults: dict[str, str]
    problems: list[str]


def read_releases(store: Path) -> tuple[dict[str, Release], list[str]]:
    """The entries by the model's name, and what is wrong with those that are left out."""
    path = store / RELEASES_NAME
    if not path.is_file():
        return {}, []
    releases, problems = {}, []
    try:
        entries = dict(json.loads(path.read_text(encoding="utf-8"))["models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {}, [_problem("what `scripts/stack release` wrote", repr(error), "all versions are served")]
    for name, entry in entries.items():
        try:
            releases[name] = _release(entry)
        except (KeyError, TypeError) as error:
            expected = f"stable, previous and deployed of {name}"
            problems.append(_problem(expected, repr(error), "all its versions are served"))
    return releases, problems


def choose_served(models: Sequence[Model], releases: Mapping[str, Release]) -> Served:
    """models: the manifest's, judged, in its order."""
    chosen: list[Model] = []
    defaults, problems = {}, []
    for name in dict.fromkeys([*(model.name for model in models), *releases]):
        versions = [model for model in models if model.name == name]
        release = releases.get(name, Release("", None, ()))
        usable = [model.version for model in versions if model.verdict is Verdict.SERVED]
        served = [version for version in usable if version in release.deployed] or usable
        for version in sorted(set(release.deployed).difference(usable)):
            instead = f"{', '.join(served) or 'no version'} is served"
            problems.append(_problem(f"{name} {version} in the model store", "no archive to serve", instead))
        if served:
            versions = [model if model.version in served else _held_back(model) for model in versions]
            defaults[name] = _default(versions, served, release)
        chosen += versions
    return Served(chosen, defaults, problems)


def _default(versions: Sequence[Model], served: Sequence[str], release: Release) -> str:
    """The release's stable version, or the one before; else the first that is no candidate; else the first."""
    settled = (model.version for model in versions if not model.candidate)
    wanted = (release.stable, release.previous, *settled, served[0])
    return next(version for version in wanted if version in served)


def _held_back(model: Model) -> Model:
    if model.verdict is Verdict.UNAVAILABLE:
        return model
    detail = f"it is not deployed; try `scripts/stack release deploy {model.label}`"
    return replace(model, verdict=Verdict.BUILT, detail=detail)


def _release(entry: Mapping[str, Any]) -> Release:
    """Raises KeyError and TypeError."""
    stable, previous, deployed = entry["stable"], entry.get("previous"), entry["deployed"]
    if not (isinstance(deployed, list) and all(isinstance(version, str) for version in (stable, *deployed))):
        raise TypeError("a version that is no text")
    return Release(stable, previous, tuple(deployed))


def _problem(expected: str, found: str, instead: str) -> str:
    return f"expected {expected} ({RELEASES_NAME}), found {found}; {instead}; try `scripts/stack release list`"
