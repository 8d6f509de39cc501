"""Read a model store as any reader does (manifest.json and hashes) and make reduced copies of it; builds nothing."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def read_manifest(store: Path) -> list[Entry]:
    manifest = json.loads((store / "manifest.json").read_text())
    assert manifest["schema"] == 1, f"expected manifest schema 1, found {manifest['schema']!r}"
    entries: list[Entry] = manifest["models"]
    return entries


def entry_of(store: Path, name: str, version: str | None = None) -> Entry:
    """Returns the one record of a model; fails if it is missing or ambiguous."""
    entries = [entry for entry in read_manifest(store) if entry["name"] == name and version in (None, entry["version"])]
    assert len(entries) == 1, f"expected one manifest entry for {name} {version or ''}, found {entries}"
    return entries[0]


def available_models(store: Path) -> list[Entry]:
    return [entry for entry in read_manifest(store) if entry["status"] == "available"]


def archive_sha256(archive: Path) -> str:
    """Returns the SHA-256 of a file, or of the sorted `sha256sum` lines of a folder's files (format no-archive)."""
    if archive.is_file():
        return hashlib.sha256(archive.read_bytes()).hexdigest()
    files = sorted(path for path in archive.rglob("*") if path.is_file())
    lines = sorted(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(archive).as_posix()}\n" for path in files
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def broken_entries(store: Path) -> list[str]:
    """Returns a sentence per available entry that cannot be served: its archive matches none of its records."""
    problems = []
    for entry in available_models(store):
        archive = store / entry["archive"]
        expected = {entry["sha256"], entry.get("pending", {}).get("sha256", entry["sha256"])}
        if not archive.exists():
            problems.append(f"{entry['archive']} is missing")
        elif (found := archive_sha256(archive)) not in expected:
            problems.append(f"{entry['archive']}: expected sha256 {expected}, found {found}")
    return problems


def fingerprint(store: Path) -> dict[str, tuple[int, str]]:
    """Returns archive name → (mtime in ns, SHA-256), to check that nothing was rebuilt."""
    return {
        entry["archive"]: ((store / entry["archive"]).stat().st_mtime_ns, archive_sha256(store / entry["archive"]))
        for entry in available_models(store)
    }


def give_to_container_user(folder: Path) -> Path:
    """As root, hand a folder to the uid the containers run as; another caller's uid is the containers' uid already."""
    if os.getuid() == 0:
        uid, gid = int(os.environ.get("STACK_UID", "1000")), int(os.environ.get("STACK_GID", "1000"))
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid)
    return folder


def copy_models(source: Path, target: Path, names: Collection[str], candidates: bool = False) -> Path:
    """Adds these models of `source`, and their candidates only if asked for, to a store, which need not exist yet."""
    target.mkdir(parents=True, exist_ok=True)
    named = [entry for entry in available_models(source) if entry["name"] in names]
    entries = [entry for entry in named if candidates or not entry["candidate"]]
    missing = set(names) - {entry["name"] for entry in entries}
    assert not missing, f"{source} does not hold {sorted(missing)}: run scripts/stack up first"
    for entry in entries:
        archive = source / entry["archive"]
        if archive.is_dir():
            shutil.copytree(archive, target / entry["archive"])
        else:
            shutil.copy2(archive, target / entry["archive"])
        samples = f"samples/{entry['name']}-{entry['version']}"
        shutil.copytree(source / samples, target / samples)
    already_there = read_manifest(target) if (target / "manifest.json").exists() else []
    (target / "manifest.json").write_text(json.dumps({"schema": 1, "models": already_there + entries}, indent=1))
    return give_to_container_user(target)
