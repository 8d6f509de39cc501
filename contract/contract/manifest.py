"""Reads and writes manifest.json: what the builder published, one record per model version, in serving order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.failure import Failure

MANIFEST = "manifest.json"
SCHEMA = 1
REBUILD = "`scripts/stack build`"
# Folders of the model store, next to the archives.
REPORTS, SAMPLES, SBOM = "reports", "samples", "sbom"
AVAILABLE, UNAVAILABLE = "available", "unavailable"
# A name and a version become parts of a path, of a URL and of HAProxy's configuration: nothing else may appear in them.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")

Record = Mapping[str, Any]


def read_manifest(store: Path) -> list[Record]:
    """Returns the records in the builder's order; [] if the builder has not run. Raises Failure."""
    path = store / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise Failure(f"a readable JSON manifest at {path}", str(error), REBUILD) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise Failure(f"a manifest with schema {SCHEMA} at {path}", f"schema {schema}", REBUILD)
    models = document.get("models")
    if not isinstance(models, list) or not all(isinstance(m, dict) and {"name", "version"} <= m.keys() for m in models):
        raise Failure(f"a list of named and versioned models in {path}", "something else", REBUILD)
    return list(models)


def manifest_text(records: list[Record]) -> str:
    """Returns the content of manifest.json."""
    return json.dumps({"schema": SCHEMA, "models": records}, indent=2) + "\n"


def candidates(entry: Record) -> list[Record]:
    """Returns the records that may describe the archive on disk: the entry and, while publishing, its successor.

    A builder that is killed between its two renames (archive, then manifest) leaves an archive that only `pending`
    describes.
    """
    pending = entry.get("pending")
    alone = {key: value for key, value in entry.items() if key != "pending"}
    records = [alone, *([pending] if isinstance(pending, dict) else [])]
    return [record for record in records if record.get("status") == AVAILABLE]


def why_unavailable(record: Record) -> Failure:
    """Returns why the builder could not build the version."""
    label = label_of(record)
    expected = str(record.get("expected", f"{label} to be built"))
    found = str(record.get("found", record.get("reason", "no reason given")))
    return Failure(expected, found, str(record.get("remedy", REBUILD)), label)


def is_safe(text: object) -> bool:
    """Tells whether `text` may be a model's name, its version or its archive's name."""
    return isinstance(text, str) and _SAFE.fullmatch(text) is not None


def key_of(record: Record) -> tuple[str, str]:
    """Returns name and version."""
    return str(record["name"]), str(record["version"])


def label_of(record: Record) -> str:
    """Returns name and version as people write them: `mnist 1.0`."""
    return " ".join(key_of(record))
