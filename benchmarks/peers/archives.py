"""Unpacks the models to serve from the stack's model store, each with one image to send."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings
from stackcli.store.manifest import find_sample, read_manifest, store_folder


@dataclass(frozen=True)
class Unpacked:
    """A model, the precision it is served at, and the sample image that every request carries."""

    name: str
    precision: str
    is_trained: bool
    image: Path


def unpack(settings: Settings, names: list[str], folder: Path) -> list[Unpacked]:
    """Unpacks each archive into `folder`/<model>. Raises ConfigError if one is not in the store."""
    models = [model for model in read_manifest(settings).models if model.is_available and not model.candidate]
    available = {model.name: model for model in reversed(models)}  # the newest version of each
    served = []
    for name in names:
        if name not in available:
            raise ConfigError(
                f"{name} in the model store",
                ", ".join(available) or "nothing",
                f"`scripts/stack build {name}`, with --weights {name}=random:0 if its weights are unavailable",
            )
        model = available[name]
        extract(find_archive(store_folder(settings), name, model.version), folder / name)
        image = find_sample(model, settings)
        if image is None:
            raise ConfigError(f"a sample of {name} in the model store", "none", "one in its folder's samples/")
        served.append(Unpacked(name, model.precision, model.trained, image))
    return served


def find_archive(store: Path, name: str, version: str) -> Path:
    """Returns <name>-<version>.mar (a folder if the archive format is no-archive) or .tar.gz. Raises ConfigError."""
    for suffix in (".mar", ".tar.gz", ""):
        if (path := store / f"{name}-{version}{suffix}").exists():
            return path
    raise ConfigError(f"an archive of {name} {version} in {store}", "none", f"`scripts/stack build {name}`")


def extract(archive: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if archive.is_dir():
        shutil.copytree(archive, folder)
        return
    folder.mkdir(parents=True)
    shutil.unpack_archive(archive, folder, "gztar" if archive.name.endswith(".tar.gz") else "zip")
