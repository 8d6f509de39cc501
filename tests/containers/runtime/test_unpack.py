"""Every archive is unpacked for TorchServe with the settings decided at this start."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from contract.served import State
from runtime.errors import ServingError
from runtime.manifest import Model
from runtime.unpack import SETTINGS, unpack

ARCHIVED = {"batchSize": 1, "maxBatchDelay": 1, "handler": {"trained": True, "engine": {"cpu": "openvino"}}}
SIZED = {"minWorkers": 2, "maxWorkers": 2, "handler": {"threads": 1}}


def archive(store: Path, name: str) -> Model:
    """Writes an archive of that name: a zip, a tar or a folder."""
    files = {SETTINGS: yaml.safe_dump(ARCHIVED), "MAR-INF/MANIFEST.json": "{}", "weights.pth": "w"}
    if name.endswith(".mar"):
        with zipfile.ZipFile(store / name, "w") as target:
            for path, text in files.items():
                target.writestr(path, text)
    elif name.endswith(".tar.gz"):
        with tarfile.open(store / name, "w:gz") as target:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"toy/{path}")
                entry.size = len(text)
                target.addfile(entry, io.BytesIO(text.encode()))
    else:
        for path, text in files.items():
            (store / name / path).parent.mkdir(parents=True, exist_ok=True)
            (store / name / path).write_text(text)
    return Model("toy", "1.0", State.SERVED, archive=name)


@pytest.mark.parametrize("name", ["toy-1.0.mar", "toy-1.0.tar.gz", "toy-1.0"])
def test_every_format_is_unpacked_and_its_store_left_as_it_was(store: Path, tmp_path: Path, name: str) -> None:
    model = archive(store, name)
    effective = unpack(model, store, tmp_path / "unpacked" / name, SIZED)
    folder = tmp_path / "unpacked" / name
    assert (folder / "weights.pth").read_text() == "w"
    assert (folder / "MAR-INF" / "MANIFEST.json").is_file()
    assert yaml.safe_load((folder / SETTINGS).read_text()) == effective
    assert effective == {
        **ARCHIVED,
        "minWorkers": 2,
        "maxWorkers": 2,
        "handler": {"trained": True, "engine": {"cpu": "openvino"}, "threads": 1},
    }
    if (store / name).is_dir():
        assert yaml.safe_load((store / name / SETTINGS).read_text()) == ARCHIVED


def test_an_archive_that_cannot_be_unpacked_is_named(store: Path, tmp_path: Path) -> None:
    (store / "toy-1.0.mar").write_text("no zip")
    with pytest.raises(ServingError, match=r"toy-1\.0\.mar"):
        unpack(Model("toy", "1.0", State.SERVED, archive="toy-1.0.mar"), store, tmp_path / "toy-1.0.mar", SIZED)
