"""What of the model store goes into images: what is served of it, whole and verified, and nothing else.

A signature is that of one record: the records go in as they are written, so that a part of a signed manifest is signed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.files import sha256_of
from stackcli.project.settings import Settings
from stackcli.store.manifest import read_manifest, store_folder
from stackcli.store.releases import Release, Releases, read_releases
from stackcli.store.served import served_versions
from stackcli.store.tuned import ENTRIES, read_tuned

MANIFEST, RELEASES, TUNED = "manifest.json", "releases.json", "tuned.json"
# In the build's context: what both images get, and what the serving one gets besides.
STORE, ARCHIVES = "store", "archives"

Record = Mapping[str, Any]  # of the manifest, as the builder wrote it


@dataclass(frozen=True)
class Contents:
    """`records`: of the models served, in the manifest's order; `files`: name in the store → text."""

    store: Path
    records: tuple[Record, ...]
    files: Mapping[str, str]

    @property
    def models(self) -> list[str]:
        """As people write them: `mnist 1.0`."""
        return [f"{record['name']} {record['version']}" for record in self.records]


def choose_contents(settings: Settings, names: Sequence[str]) -> Contents:
    """`names`: of models, none for all that are available. Raises BuildError and ConfigError."""
    store = store_folder(settings)
    # Read by its schema first: whatever is wrong with it is said there.
    available = {(model.name, model.version) for model in read_manifest(settings).models if model.is_available}
    known = sorted({name for name, _ in available})
    for name in names:
        if name not in known:
            found = f"{name}, and of those that are built {', '.join(known) or 'none'}"
            raise ConfigError("models that are built", found, f"`scripts/stack build {name}`")
    wanted = names or known
    if not wanted:
        raise BuildError(f"a model to bake in {store}", "none that is available", "`scripts/stack build`")
    releases = {name: release for name, release in read_releases(settings).items() if name in wanted}
    records = [
        record
        for record in json.loads((store / MANIFEST).read_text())["models"]
        if record["name"] in wanted and (record["name"], record["version"]) in available
    ]
    records = [intact(store, record) for record in served(records, releases)]
    labels = {f"{record['name']} {record['version']}" for record in records}
    tuned = {label: entry for label, entry in sorted(read_tuned(settings).items()) if label in labels}
    files = {MANIFEST: json.dumps({"schema": 1, "models": records}, indent=2) + "\n"}
    if releases:
        files[RELEASES] = Releases(models=releases).model_dump_json(indent=1, by_alias=True) + "\n"
    if tuned:
        files[TUNED] = ENTRIES.dump_json(tuned, indent=1, exclude_none=True, exclude_unset=True).decode() + "\n"
    return Contents(store, tuple(records), files)


def served(records: Sequence[Record], releases: Mapping[str, Release]) -> list[Record]:
    """Without the versions that a release does not deploy."""
    versions: dict[str, list[str]] = {}
    for record in records:
        versions.setdefault(record["name"], []).append(record["version"])
    chosen = {name: served_versions(available, releases.get(name)) for name, available in versions.items()}
    return [record for record in records if record["version"] in chosen[record["name"]]]


def intact(store: Path, record: Record) -> Record:
    """The record of the archive that lies there: a builder killed at the wrong moment leaves a `pending` one's."""
    pending = record.get("pending")
    alone = {key: value for key, value in record.items() if key != "pending"}
    candidates: list[Record] = [alone, *([pending] if pending else [])]
    for candidate in candidates:
        archive = store / candidate["archive"]
        if archive.exists() and archive_sha256(archive) == candidate["sha256"]:
            return candidate
    label = f"{record['name']} {record['version']}"
    expected = f"the archive of {label} with sha256 {record['sha256']}"
    raise BuildError(expected, f"another {record['archive']}, or none", f"`scripts/stack build {record['name']}`")


def archive_sha256(archive: Path) -> str:
    """Of a file; of a folder (format no-archive) over the sorted lines of sha256sum, as the manifest has it."""
    if archive.is_file():
        return sha256_of(archive)
    files = (file for file in archive.rglob("*") if file.is_file())
    lines = sorted(f"{archive_sha256(file)}  {file.relative_to(archive).as_posix()}\n" for file in files)
    return sha256("".join(lines).encode()).hexdigest()


def stage(contents: Contents, config: Path, context: Path) -> None:
    """Writes the build's context, the same bytes and times for the same contents. `config`: a file for its top."""
    store, archives = context / STORE, context / ARCHIVES
    for folder in (store, archives):
        folder.mkdir()
    for name, text in contents.files.items():
        (store / name).write_text(text)
    for record in contents.records:
        copy(contents.store / record["archive"], archives / record["archive"])
        samples = Path("samples") / f"{record['name']}-{record['version']}"
        if (contents.store / samples).is_dir():
            copy(contents.store / samples, store / samples)
    copy(config, context / config.name)
    for path in context.rglob("*"):
        # Whoever runs the image reads them, whatever the store's owner let others do.
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (0, 0))


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)
