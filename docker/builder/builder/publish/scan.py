"""Refuse an archive that would run code by being read: every file of it is scanned for pickles before it is published.

Scanners skip `.mar` by its name and find nothing where nothing is scanned, so the archive is unpacked here first, and
an archive without a single pickle is refused as well: the model's own file (a state_dict or a ScriptModule) is one.
"""

from __future__ import annotations

import contextlib
import io
import logging
import pickletools
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from picklescan.relaxed_zipfile import RelaxedZipFile
from picklescan.scanner import Global, SafetyLevel, scan_bytes, scan_pickle_bytes

from builder.errors import BuildError

# What torch writes pickles into: as such, and inside a zip of its own. `.bin` is OpenVINO's, raw numbers.
TORCH = (".pth", ".pt", ".ckpt")
PICKLES = (*TORCH, ".pkl", ".debug_pkl", ".pickle", ".joblib")
IMPORTS = ("GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
ZIP_START = b"PK\x03\x04"
# Zips in zips: no honest archive nests them deeper than this.
MAX_DEPTH = 4
# How many of a pickle's imports an error names.
MAX_NAMED = 5
REMEDY = "weights that torch.save(model.state_dict()) wrote, and no other pickle"

# picklescan would print a warning for every file that is not a pickle.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


def unpack_archive(archive: Path, folder: Path) -> Path:
    """Unpack into `folder`; returns the folder with the archive's files, the archive itself if it is one."""
    if archive.is_dir():
        return archive
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)  # noqa: S202 - written by archive.py just now
        return folder
    with tarfile.open(archive) as packed_tar:
        packed_tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # noqa: S202
    return next(folder.iterdir())


def scan_files(archive: str, folder: Path) -> dict[str, Any]:
    """Scan the unpacked files of `archive` in `folder`; returns {tool, files, pickles} for the manifest.

    Raises BuildError for a pickle that names anything but tensors and TorchScript's own classes, for a pickle where
    none belongs, for what cannot be scanned, and where there is no pickle at all.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    pickles = 0
    for path in files:
        name = path.relative_to(folder).as_posix()
        for inner, content in _contents(archive, name, path.read_bytes()):
            pickles += _scan(archive, inner, content)
    if not pickles:
        raise BuildError(f"a state_dict or a ScriptModule in {archive}", f"no pickle in its {len(files)} files", REMEDY)
    return {"tool": f"picklescan {version('picklescan')}", "files": len(files), "pickles": pickles}


def _contents(archive: str, name: str, content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the file and, where it is a zip as torch writes it, of all that is in it."""
    is_zip = zipfile.is_zipfile(io.BytesIO(content))
    if not (is_zip and content.startswith(ZIP_START)):
        # Also a zip with something in front: what reads the front sees no zip, what reads the end does.
        yield name, content
    if not is_zip:
        return
    if depth == MAX_DEPTH:
        raise _unscannable(archive, name, f"zips {depth} deep in one another")
    try:
        # As torch reads it: without the checks by which Python's own zipfile would skip an entry.
        with RelaxedZipFile(io.BytesIO(content)) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    with packed.open(entry) as file:
                        inner = file.read()
                    yield from _contents(archive, f"{name}/{entry.filename}", inner, depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise _unscannable(archive, name, str(error)) from error


def _scan(archive: str, name: str, content: bytes) -> bool:
    """Whether the content is a pickle (a harmless one)."""
    suffix = PurePosixPath(name).suffix
    if suffix not in PICKLES:
        _scan_other(archive, name, content)
        return False
    try:
        if suffix in TORCH:
            # Also torch's older format, several pickles and then numbers in one file.
            result = scan_bytes(io.BytesIO(content), name, suffix)
        else:
            result = scan_pickle_bytes(io.BytesIO(content), name)
    # Each format of torch's raises other errors.
    except Exception as error:
        raise _unscannable(archive, name, f"{type(error).__name__}: {error}") from error
    code = [
        found for found in result.globals if found.safety is not SafetyLevel.Innocuous and not _is_torchscript(found)
    ]
    if code:
        raise _dangerous(archive, name, code)
    if result.scan_err:
        raise _unscannable(archive, name, "a pickle that breaks off")
    return True


def _scan_other(archive: str, name: str, content: bytes) -> None:
    """Numbers and text look like a pickle for some bytes by chance: what counts is a known danger or a whole one."""
    # A name that the scanner could not make out ("unknown") is chance as well.
    with contextlib.suppress(ValueError):
        found = scan_pickle_bytes(io.BytesIO(content), name).globals
        known = [
            one for one in found if one.safety is SafetyLevel.Dangerous and "unknown" not in (one.module, one.name)
        ]
        if known:
            raise _dangerous(archive, name, known)
    if _is_whole_pickle(content):
        raise BuildError(
            f"no pickle in {archive} but the model's own",
            f"{name}, a pickle that does not say so by its name",
            "leaving that file out, or writing it as JSON",
        )


def _is_torchscript(found: Global) -> bool:
    """Whether it names what torch.jit.load resolves in the archive's own code, never in Python.

    https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
    """
    return found.module.partition(".")[0] == "__torch__" or found.module == "torch.jit._pickle"


def _is_whole_pickle(content: bytes) -> bool:
    """Whether it can be unpickled to its end and imports something, or says at its start that it is a pickle."""
    try:
        # Unlike genops it knows what is on the stack, and stops where there is not enough of it.
        pickletools.dis(content, io.StringIO())
    except Exception:
        return False
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(content)}
    return content.startswith(b"\x80") or not opcodes.isdisjoint(IMPORTS)


def _dangerous(archive: str, name: str, code: list[Global]) -> BuildError:
    named = ", ".join(sorted(f"{one.module}.{one.name}" for one in code)[:MAX_NAMED])
    return BuildError(
        f"pickles in {archive} that hold tensors and nothing else",
        f"{named} in {name}: reading it may run code",
        REMEDY,
    )


def _unscannable(archive: str, name: str, why: str) -> BuildError:
    return BuildError(f"only files in {archive} that can be scanned for pickles", f"{name}: {why}", REMEDY)
