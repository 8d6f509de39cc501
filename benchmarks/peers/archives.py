"""The models to serve: unpacked from the stack's model store, each with one image to ask about."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from stackcli.errors import ConfigError
from stackcli.models import read_manifest, store_folder
from stackcli.paths import ROOT
from stackcli.settings import Settings


@dataclass(frozen=True)
class Served:
    """A model, the precision it is served at, and the sample image that every request carries."""

    name: str
    precision: str
    is_trained: bool
    image: Path


def unpack(settings: Settings, names: list[str], folder: Path) -> list[Served]:
    """Each archive into `folder`/<model>, anew. Raises ConfigError where one is not in the store."""
    available = {model.name: model for model in read_manifest(settings).models if model.is_available}
    served = []
    for name in names:
        if name not in available:
            raise ConfigError(
                f"{name} in the model store",
                ", ".join(available) or "nothing",
                f"`scripts/stack build {name}`, with --weights {name}=random:0 where its weights cannot be had",
            )
        model = available[name]
        extract(find_archive(store_folder(settings), name, model.version), folder / name)
        samples = source_folder(settings, name) / "samples"
        images = [samples / sample.file for sample in model.samples] or sorted(samples.glob("*.[jp][pn]*g"))
        if not images:
            raise ConfigError(f"an image in {samples}", "none", "adding one")
        served.append(Served(name, model.precision, model.trained, images[0]))
    return served


def find_archive(store: Path, name: str, version: str) -> Path:
    """<name>-<version>.mar, a folder where the archive format is no-archive, or .tar.gz."""
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


def source_folder(settings: Settings, name: str) -> Path:
    """Where in MODEL_SRC the model's model.yaml lies."""
    for file in sorted((ROOT / settings.model_src).glob("*/model.yaml")):
        if yaml.safe_load(file.read_text()).get("name") == name:
            return file.parent
    raise ConfigError(f"a folder of {name} in {settings.model_src}", "none", "MODEL_SRC as it was when it was built")
