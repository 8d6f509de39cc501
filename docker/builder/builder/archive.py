"""Make the archive with torch-model-archiver, then make it byte-for-byte repeatable.

The archiver writes the time into MANIFEST.json and the files' times into the container: the same input
would never give the same archive twice.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from builder.errors import BuildError
from builder.export import SETTINGS, Export
from builder.sources import sha256_of
from builder.spec import ModelSpec

SUFFIXES = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}
MANIFEST = "MAR-INF/MANIFEST.json"
# The zip format begins in 1980.
EPOCH = (1980, 1, 1, 0, 0, 0)
CREATED_ON = "01/01/1980 00:00:00"


def build_archive(spec: ModelSpec, export: Export, archive_format: str, folder: Path) -> Path:
    """The archive `<name>-<version><suffix>` in `folder`. Raises BuildError when the archiver fails."""
    scratch = folder / "archiver"
    scratch.mkdir()
    # A plain folder first: the archiver itself only knows how to put today's date into files.
    unpacked = _run_archiver(spec, export, scratch)
    archive = folder / (spec.key + SUFFIXES[archive_format])
    if archive_format == "tgz":
        _write_tar(unpacked, spec.name, archive)
    elif archive_format == "no-archive":
        unpacked.rename(archive)
    else:
        _write_zip(unpacked, archive, zipfile.ZIP_STORED if archive_format == "zip-store" else zipfile.ZIP_DEFLATED)
    shutil.rmtree(scratch)
    return archive


def archive_sha256(archive: Path) -> str:
    """Of the file; of a folder: over the sorted lines that `sha256sum` would print for its files."""
    if archive.is_file():
        return sha256_of(archive)
    lines = sorted(f"{sha256_of(path)}  {name}\n" for name, path in _files(archive))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def archive_bytes(archive: Path) -> int:
    """Size of the file, or of the folder's files together."""
    return archive.stat().st_size if archive.is_file() else sum(path.stat().st_size for _, path in _files(archive))


def _run_archiver(spec: ModelSpec, export: Export, scratch: Path) -> Path:
    extra = [path for path in export.folder.iterdir() if path.name not in _named_files(export)]
    carried = scratch / "extra"
    carried.mkdir()
    for path in extra:
        (shutil.copytree if path.is_dir() else shutil.copy)(path, carried / path.name)
    command: list[str] = [
        "torch-model-archiver",
        *("--model-name", spec.name),
        *("--version", spec.version),
        *("--serialized-file", str(export.folder / export.serialized_file)),
        *("--handler", str(export.folder / export.handler)),
        *("--config-file", str(export.folder / SETTINGS)),
        *("--extra-files", str(carried)),
        *("--archive-format", "no-archive"),
        *("--export-path", str(scratch)),
    ]
    if export.model_file:
        command += ["--model-file", str(export.folder / export.model_file)]
    # The archiver collects in TMPDIR/<name>, whoever else is doing the same.
    collect = scratch / "tmp"
    collect.mkdir()
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(collect)})
    unpacked = scratch / spec.name
    if run.returncode or not (unpacked / MANIFEST).is_file():
        raise BuildError("torch-model-archiver to succeed", run.stderr.strip()[-500:], "the message above")
    _fix_time(unpacked / MANIFEST)
    return unpacked


def _named_files(export: Export) -> set:
    return {export.serialized_file, export.handler, SETTINGS, export.model_file, "__pycache__"}


def _fix_time(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    content["createdOn"] = CREATED_ON
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path inside the folder, path), sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix(), path


def _write_zip(folder: Path, archive: Path, method: int) -> None:
    with zipfile.ZipFile(archive, "w") as target:
        for name, path in _files(folder):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            target.writestr(entry, path.read_bytes(), compress_type=method)


def _write_tar(folder: Path, root: str, archive: Path) -> None:
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as target,
    ):
        for name, path in _files(folder):
            entry = tarfile.TarInfo(f"{root}/{name}")
            entry.size = path.stat().st_size
            entry.mode = 0o644
            with path.open("rb") as file:
                target.addfile(entry, file)
