"""Reads and writes releases.json: which versions of a model are deployed, and which get unversioned requests.

Only `scripts/stack release` writes it. A model without an entry is served in all its versions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from contract.failure import Failure

RELEASES = "releases.json"
SCHEMA = 1
# The allowed names of a sticky header, which becomes part of HAProxy's configuration.
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Canary:
    """A canary. `weight`: percent of the unversioned requests; `sticky_header`: clients with it keep their version."""

    version: str
    weight: int
    sticky_header: str | None = None


@dataclass(frozen=True)
class Release:
    """A model's release. `stable` gets unversioned requests, `previous` did before; all of `deployed` are served."""

    stable: str
    deployed: tuple[str, ...]
    previous: str | None = None
    canary: Canary | None = None

    def with_deployed(self, version: str) -> Release:
        """Returns the release with `version` deployed."""
        return replace(self, deployed=(*(one for one in self.deployed if one != version), version))

    def with_canary(self, canary: Canary | None) -> Release:
        """Returns the release with this canary, or with none."""
        return replace(self, canary=canary)

    def promoted(self, version: str) -> Release:
        """Returns the release with `version` as the stable one and no canary."""
        return replace(self, stable=version, previous=self.stable, canary=None)

    def rolled_back(self) -> Release:
        """Returns the release without its canary or, if it has none, with the previous version as the stable one."""
        if self.canary or self.previous is None:
            return self.with_canary(None)
        return replace(self, stable=self.previous, previous=None)


def read_releases(store: Path) -> tuple[dict[str, Release], list[Failure]]:
    """Returns the releases by model name, and the problems of those that are left out; both empty without a file."""
    path = store / RELEASES
    releases: dict[str, Release] = {}
    problems: list[Failure] = []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema", SCHEMA) != SCHEMA:
            raise ValueError(f"schema {document['schema']}")
        entries = dict(document["models"])
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, [_problem(f"what `scripts/stack release` wrote in {path}", error)]
    for name, entry in entries.items():
        try:
            releases[name] = _release(entry)
            releases[name] = releases[name].with_canary(_canary(entry.get("canary")))
        except (ValueError, KeyError, TypeError) as error:
            # A release with an unreadable canary is in force without the canary.
            part = "canary" if name in releases else "release"
            problems.append(_problem(f"a {part} of {name} in {path}", error))
    return releases, problems


def releases_text(releases: Mapping[str, Release]) -> str:
    """Returns the content of releases.json."""
    models = {name: asdict(release) for name, release in releases.items()}
    return json.dumps({"schema": SCHEMA, "models": models}, indent=1) + "\n"


def _release(entry: Mapping[str, Any]) -> Release:
    """Parses an entry without its canary. Raises KeyError and TypeError."""
    stable, previous, deployed = entry["stable"], entry.get("previous"), entry["deployed"]
    if not (isinstance(deployed, list) and all(isinstance(version, str) for version in (stable, *deployed))):
        raise TypeError("a version that is not a text")
    if not (previous is None or isinstance(previous, str)):
        raise TypeError("a previous version that is not a text")
    return Release(stable, tuple(deployed), previous)


def _canary(entry: Mapping[str, Any] | None) -> Canary | None:
    if not entry:
        return None
    version, weight, header = entry["version"], entry["weight"], entry.get("sticky_header")
    if not (isinstance(version, str) and type(weight) is int and 0 <= weight <= 100):
        raise ValueError(f"a canary that is not a version with a weight from 0 to 100: {entry}")
    if header is not None and not (isinstance(header, str) and HEADER.fullmatch(header)):
        raise ValueError(f"a sticky header that is not a header's name: {header!r}")
    return Canary(version, weight, header)


def _problem(expected: str, error: Exception) -> Failure:
    remedy = "correcting it, or deleting it: then all versions are served"
    return Failure(expected, repr(error), remedy)
