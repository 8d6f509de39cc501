"""The models as the edge routes to them: the manifest's versions, and what releases.json says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.errors import EdgeError

MANIFEST, RELEASES = "manifest.json", "releases.json"
# Both become parts of a path and of HAProxy's configuration: nothing else may appear in either.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Canary:
    """`weight`: percent of the unversioned requests; `sticky_header`: whose value decides, where a request has it."""

    version: str
    weight: int
    sticky_header: str | None = None


@dataclass(frozen=True)
class Model:
    """One model: its served versions (the manifest's records), and which of them unversioned requests get.

    `is_released`: releases.json names it, and the edge decides; else TorchServe does, which reads a new manifest later.
    """

    name: str
    stable: str
    versions: tuple[Record, ...]
    previous: str | None = None
    canary: Canary | None = None
    is_released: bool = False


def read_models(store: Path, loaded: Mapping[str, Set[str]] | None = None) -> tuple[list[Model], list[Record]]:
    """The models served, and the records of those that are unavailable. Raises EdgeError.

    `loaded`: the versions that TorchServe has, by model; None where that is not known, and the files alone decide.
    """
    records = [record for record in _read(store / MANIFEST).get("models", []) if _is_safe(record)]
    releases = _read(store / RELEASES).get("models", {})
    available = [record for record in records if record.get("status") == "available" and _is_among(record, loaded)]
    models = []
    for name in sorted({record["name"] for record in available}):
        versions = [record for record in available if record["name"] == name]
        models.append(_model(name, versions, releases.get(name)))
    return models, [record for record in records if record.get("status") == "unavailable"]


def _is_among(record: Record, loaded: Mapping[str, Set[str]] | None) -> bool:
    return loaded is None or record["version"] in loaded.get(record["name"], ())


def _model(name: str, records: list[Record], release: Record | None) -> Model:
    """Without a release, or with one whose stable version is gone: the newest version that is no candidate."""
    newest = next((record for record in records if not record.get("candidate")), records[0])["version"]
    if release is None:
        return Model(name, newest, tuple(records))
    deployed = tuple(record for record in records if record["version"] in release.get("deployed", []))
    known = {record["version"] for record in deployed}
    if not known:
        return Model(name, newest, tuple(records))
    choices = (release.get("stable"), release.get("previous"), newest, deployed[0]["version"])
    stable = next(version for version in choices if version in known)
    previous = release.get("previous") if release.get("previous") in known else None
    return Model(name, stable, deployed, previous, _canary(release.get("canary"), known), is_released=True)


def _canary(canary: Record | None, known: set[str]) -> Canary | None:
    if not canary or canary.get("version") not in known:
        return None
    header = canary.get("sticky_header")
    return Canary(
        canary["version"],
        min(100, max(0, int(canary.get("weight", 0)))),
        header if header and _HEADER.fullmatch(header) else None,
    )


def _read(path: Path) -> Any:
    """The file's JSON object; empty where there is no file yet."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EdgeError(f"readable JSON in {path}", str(error), "`scripts/stack up`") from None
    if not isinstance(content, dict):
        raise EdgeError(f"a JSON object in {path}", type(content).__name__, "`scripts/stack up`")
    return content


def _is_safe(record: Any) -> bool:
    return isinstance(record, dict) and all(
        isinstance(record.get(key), str) and _SAFE_NAME.fullmatch(record[key]) for key in ("name", "version")
    )
