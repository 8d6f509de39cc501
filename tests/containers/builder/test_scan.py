"""The scan refuses whatever would run code when it is read, in every archive format; our own models pass."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from builder.errors import BuildError
from builder.job import SUFFIXES
from builder.publish.scan import scan_files, unpack_archive
from builder.spec import load_spec


class Attack:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("echo attacked",)


def zipped(files: dict) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return file.getvalue()


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


ATTACK = pickle.dumps(Attack())
STATE_DICT = saved({"weight": torch.zeros(2)})


@pytest.fixture
def scan(tmp_path: Path):
    """Scan an archive that contains these files: {name: content}."""

    def run(files: dict) -> dict:
        archive = tmp_path / "m-1.0.mar"
        archive.write_bytes(zipped(files))
        return scan_files(archive.name, unpack_archive(archive, tmp_path / "unpacked"))

    return run


@pytest.mark.parametrize("archive_format", SUFFIXES)
@pytest.mark.parametrize("torchscript", [False, True])
def test_what_the_builder_archives_passes_in_every_format(
    build, model_folder: Path, tmp_path: Path, archive_format: str, torchscript: bool
) -> None:
    spec = load_spec(model_folder / "model.yaml").model_copy(update={"torchscript": torchscript})
    record, staging = build(spec, archive_format)
    scanned = scan_files(record["archive"], unpack_archive(staging / record["archive"], tmp_path / "unpacked"))
    assert scanned["tool"].startswith("picklescan 1.")
    assert scanned["files"] > 5
    assert scanned["pickles"] >= 1


@pytest.mark.parametrize(
    "files",
    [
        {"weights.pth": saved(Attack())},
        {"weights.pth": ATTACK},
        {"weights.pth": STATE_DICT, "extra.pkl": ATTACK},
        {"weights.pth": STATE_DICT, "labels.json": ATTACK},
        {"weights.pth": STATE_DICT, "labels.json": pickle.dumps(Attack(), protocol=0)},
        {"weights.pth": STATE_DICT, "extra.zip": zipped({"inner.zip": zipped({"notes.txt": ATTACK})})},
        {"weights.pth": STATE_DICT, "labels.json": ATTACK + zipped({"innocent.txt": "x"})},
        {"weights.pth": saved({"weight": torch.zeros(2)}) + b"", "model.bin": ATTACK[:-1] + b"\xff cut"},
    ],
    ids=["in torch's zip", "bare", "beside", "under another name", "as text", "in nested zips", "before a zip", "cut"],
)
def test_a_pickle_that_runs_a_command_is_refused_by_name(scan, files: dict) -> None:
    culprit = next(name for name, content in reversed(list(files.items())))
    with pytest.raises(BuildError, match=rf"m-1\.0\.mar.*found (posix|nt)\.system in {culprit}"):
        scan(files)


def test_a_whole_pickled_module_is_code_and_refused(scan) -> None:
    with pytest.raises(BuildError, match=r"torch\.nn\.modules\.linear\.Linear in weights\.pth/"):
        scan({"weights.pth": saved(torch.nn.Linear(2, 2))})


def test_a_harmless_pickle_under_another_name_is_refused(scan) -> None:
    with pytest.raises(BuildError, match=r"found labels\.json, a pickle"):
        scan({"weights.pth": STATE_DICT, "labels.json": pickle.dumps(["cat"])})


def test_an_archive_without_a_pickle_was_not_scanned_and_fails(scan) -> None:
    with pytest.raises(BuildError, match=r"found no pickle in its 1 files"):
        scan({"handler.py": "print()"})


def test_a_zip_that_cannot_be_read_is_not_passed_over(scan) -> None:
    broken = bytearray(zipped({"data.pkl": ATTACK}))
    broken[broken.index(b"PK\x01\x02") + 10] = 99  # an unknown compression method
    with pytest.raises(BuildError, match=r"can be scanned.*extra\.zip"):
        scan({"weights.pth": STATE_DICT, "extra.zip": bytes(broken)})


def test_older_files_of_torch_are_scanned_as_well(scan) -> None:
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, file, _use_new_zipfile_serialization=False)
    assert scan({"weights.pth": file.getvalue()})["pickles"] == 1
    file = io.BytesIO()
    torch.save({"weight": Attack()}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(BuildError, match=r"posix\.system"):
        scan({"weights.pth": file.getvalue()})
