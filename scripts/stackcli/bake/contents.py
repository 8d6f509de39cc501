"""Chooses what of the model store goes into the baked images: the served models, intact and verified, and no others.

Each record carries its own signature. The records are copied unchanged, so a part of a signed manifest stays signed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract import manifest
from contract.archive import archive_sha256
from contract.manifest import MANIFEST, SAMPLES, Record, candidates, label_of
from contract.releases import RELEASES, releases_text
from contract.tuned import TUNED, tuned_text
from stackcli.common.errors import BuildError, ConfigError
from stackcli.project.settings import Settings
from stackcli.store.manifest import read_manifest, store_folder
from stackcli.store.releases import read_releases
from stackcli.store.served import decide_served
from stackcli.store.tuned import read_tuned

# Folders of the build context: for both images, and for the serving image only.
STORE, ARCHIVES = "store", "archives"


@dataclass(frozen=True)
class Contents:
    """`records`: of the served models, in the manifest's order; `files`: name in the store → text."""

    store: Path
    records: tuple[Record, ...]
    files: Mapping[str, str]

    @property
    def models(self) -> list[str]:
        """Returns names and versions as people write them: `mnist 1.0`."""
        return [label_of(record) for record in self.records]


def choose_contents(settings: Settings, names: Sequence[str]) -> Contents:
    """Chooses the models called `names`, or all available ones if it is empty. Raises BuildError and ConfigError."""
    store = store_folder(settings)
    # Validates the manifest first, so that anything wrong with it is reported here.
    available = {(model.name, model.version) for model in read_manifest(settings).models if model.is_available}
    known = sorted({name for name, _ in available})
    for name in names:
        if name not in known:
            found = f"{name}; built: {', '.join(known) or 'none'}"
            raise ConfigError("names of built models", found, f"`scripts/stack build {name}`")
    wanted = names or known
    if not wanted:
        raise BuildError(f"an available model in {store}", "none", "`scripts/stack build`")
    releases = {name: release for name, release in read_releases(settings).items() if name in wanted}
    labels = {version.label for version in decide_served(settings).served if version.name in wanted}
    records = [intact(store, record) for record in manifest.read_manifest(store) if label_of(record) in labels]
    tuned = {label: entry for label, entry in sorted(read_tuned(settings).items()) if label in labels}
    files = {MANIFEST: manifest.manifest_text(records)}
    if releases:
        files[RELEASES] = releases_text(releases)
    if tuned:
        files[TUNED] = tuned_text(tuned)
    return Contents(store, tuple(records), files)


def intact(store: Path, record: Record) -> Record:
    """Returns the record, or its `pending` successor, that describes the archive on disk. Raises BuildError.

    A builder killed between its two writes leaves the archive of the `pending` record.
    """
    for candidate in candidates(record):
        archive = store / candidate["archive"]
        if archive.exists() and archive_sha256(archive) == candidate["sha256"]:
            return candidate
    label = label_of(record)
    expected = f"the archive of {label} with sha256 {record['sha256']}"
    raise BuildError(expected, f"another {record['archive']}, or none", f"`scripts/stack build {record['name']}`")


def stage(contents: Contents, config: Path, context: Path) -> None:
    """Writes the build context, reproducibly: the same contents give the same bytes and times. `config`: a file."""
    store, archives = context / STORE, context / ARCHIVES
    for folder in (store, archives):
        folder.mkdir()
    for name, text in contents.files.items():
        (store / name).write_text(text)
    for record in contents.records:
        copy(contents.store / record["archive"], archives / record["archive"])
        samples = Path(SAMPLES) / f"{record['name']}-{record['version']}"
        if (contents.store / samples).is_dir():
            copy(contents.store / samples, store / samples)
    copy(config, context / config.name)
    for path in context.rglob("*"):
        # Any user may run the image, so the files are world-readable whatever their mode in the store.
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (0, 0))


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(source, target)
