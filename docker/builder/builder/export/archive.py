"""Make the archive with torch-model-archiver, then make it reproducible byte for byte.

The archiver writes the current time into MANIFEST.json and the files' times into the container, so the same input would
never give the same archive twice.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from builder.errors import BuildError
from builder.export.folder import SETTINGS, Export
from builder.job import SUFFIXES
from builder.spec import ModelSpec

MANIFEST = "MAR-INF/MANIFEST.json"
# Copy in chunks, because an archive may be larger than the memory limit.
CHUNK_BYTES = 1 << 20
# The earliest date that the zip format can represent.
EPOCH = (1980, 1, 1, 0, 0, 0)
CREATED_ON = "01/01/1980 00:00:00"


def build_archive(spec: ModelSpec, export: Export, archive_format: str, folder: Path) -> Path:
    """Make `<name>-<version><suffix>` in `folder` and return its path. Raises BuildError if the archiver fails."""
    scratch = folder / "archiver"
    scratch.mkdir()
    # A plain folder first, because the archiver would put the current date into a file.
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


def archive_bytes(archive: Path) -> int:
    """Return the size of the file, or of all the folder's files together."""
    return archive.stat().st_size if archive.is_file() else sum(path.stat().st_size for _, path in _files(archive))


def _run_archiver(spec: ModelSpec, export: Export, scratch: Path) -> Path:
    """Run torch-model-archiver and return the folder with the archive's files. Raises BuildError."""
    extra = _copy_extra_files(export, scratch / "extra")
    command: list[str] = [
        "torch-model-archiver",
        *("--model-name", spec.name),
        *("--version", spec.version),
        *("--serialized-file", str(export.folder / export.serialized_file)),
        *("--handler", str(export.folder / export.handler)),
        *("--config-file", str(export.folder / SETTINGS)),
        *("--extra-files", str(extra)),
        *("--archive-format", "no-archive"),
        *("--export-path", str(scratch)),
    ]
    if export.model_file:
        command += ["--model-file", str(export.folder / export.model_file)]
    # The archiver collects its files in TMPDIR/<name>, which another archiver might be using.
    collect = scratch / "tmp"
    collect.mkdir()
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(collect)})
    unpacked = scratch / spec.name
    if run.returncode or not (unpacked / MANIFEST).is_file():
        raise BuildError("torch-model-archiver to succeed", run.stderr.strip()[-500:], "what its message says")
    _fix_time(unpacked / MANIFEST)
    return unpacked


def _copy_extra_files(export: Export, folder: Path) -> Path:
    """Copy all files to `folder` except bytecode and those that the archiver has an option for; return `folder`."""
    named = {export.serialized_file, export.handler, SETTINGS, export.model_file}

    def left_out(parent: str, _: list[str]) -> set[str]:
        return {"__pycache__", *(named if Path(parent) == export.folder else ())}

    return shutil.copytree(export.folder, folder, ignore=left_out)


def _fix_time(manifest: Path) -> None:
    content = json.loads(manifest.read_text())
    content["createdOn"] = CREATED_ON
    manifest.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (path inside the folder, path), sorted."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _write_zip(folder: Path, archive: Path, method: int) -> None:
    with zipfile.ZipFile(archive, "w") as target:
        for name, path in _files(folder):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = method
            # Set in advance, so that a file of more than 4 GiB gets Zip64 fields.
            entry.file_size = path.stat().st_size
            with path.open("rb") as file, target.open(entry, "w") as packed:
                shutil.copyfileobj(file, packed, CHUNK_BYTES)


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
