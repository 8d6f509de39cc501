"""Unpacks the verified archives for TorchServe, each with the settings in effect: its own, as tuned and sized.

TorchServe could unpack an archive itself, but the settings inside take precedence over all others, so what is decided
at start (workers, threads, a tuned batch size) has to be written there.
"""

import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from contract.manifest import REBUILD
from runtime.errors import ServingError
from runtime.manifest import Model

SETTINGS = "model-config.yaml"


def unpack(model: Model, store: Path, folder: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Puts the archive's content into `folder`. Returns its settings with `changes` applied. Raises ServingError.

    The files of a folder (format no-archive) are not copied but linked.
    """
    source = store / model.archive
    try:
        if source.is_dir():
            folder.mkdir(parents=True)
            for path in source.iterdir():
                (folder / path.name).symlink_to(path)
        elif zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                archive.extractall(folder)  # noqa: S202
        else:
            _extract_tar(source, folder)
        path = folder / SETTINGS
        settings = merged(yaml.safe_load(path.read_text(encoding="utf-8")), changes)
        path.unlink()  # it may be a link into the read-only store
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        return settings
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, yaml.YAMLError) as error:
        raise ServingError(f"{model.archive} to be a valid archive", str(error), f"{REBUILD} {model.name}") from error


def _extract_tar(source: Path, folder: Path) -> None:
    """Unpacks a .tar.gz, which has one root folder named after the model."""
    scratch = folder.with_name(folder.name + ".part")
    with tarfile.open(source) as archive:
        # The archive's hash was verified; Python 3.9 has the filter only from a later patch release on.
        archive.extractall(scratch, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # noqa: S202
    next(scratch.iterdir()).rename(folder)
    shutil.rmtree(scratch)


def merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `settings` with `changes` applied, section by section."""
    result = dict(settings)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result
