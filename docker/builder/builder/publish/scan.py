"""Refuse an archive that could run code when it is read: all its files are scanned for pickles before publication.

Scanners skip files named `.mar` and report no findings if they scan nothing. So the archive is unpacked first, and an
archive without any pickle is refused as well: the model's own file (a state_dict or a ScriptModule) is one.
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

# The files in which torch writes pickles, bare or inside a zip. `.bin` is not among them: it is OpenVINO's raw numbers.
TORCH = (".pth", ".pt", ".ckpt")
PICKLES = (*TORCH, ".pkl", ".debug_pkl", ".pickle", ".joblib")
IMPORTS = ("GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
ZIP_START = b"PK\x03\x04"
# How deep zips may be nested; a legitimate archive stays well below this.
MAX_DEPTH = 4
# How many of a pickle's imports an error lists.
MAX_NAMED = 5
REMEDY = "weights written by torch.save(model.state_dict()), and no other pickle"

# Otherwise picklescan prints a warning for every file that is not a pickle.
logging.getLogger("picklescan").setLevel(logging.CRITICAL)


def unpack_archive(archive: Path, folder: Path) -> Path:
    """Unpack into `folder`. Return the folder with the archive's files: the archive itself if it is a folder."""
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
    """Scan the unpacked files of `archive` in `folder`. Return {tool, files, pickles} for the manifest.

    Raises BuildError for a pickle that refers to anything but tensors and TorchScript's own classes, for a pickle in an
    unexpected file, for a file that cannot be scanned, and if there is no pickle at all.
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
    """Yield (name, content) of the file and, if it is a zip as torch writes it, of everything in it."""
    is_zip = zipfile.is_zipfile(io.BytesIO(content))
    if not (is_zip and content.startswith(ZIP_START)):
        # Includes a zip with data in front: it looks like a zip only when read from the end.
        yield name, content
    if not is_zip:
        return
    if depth == MAX_DEPTH:
        raise _unscannable(archive, name, f"zips nested {depth} deep")
    try:
        # Read as torch does, without the checks for which Python's own zipfile would skip an entry.
        with RelaxedZipFile(io.BytesIO(content)) as packed:
            for entry in packed.infolist():
                if not entry.is_dir():
                    with packed.open(entry) as file:
                        inner = file.read()
                    yield from _contents(archive, f"{name}/{entry.filename}", inner, depth + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise _unscannable(archive, name, str(error)) from error


def _scan(archive: str, name: str, content: bytes) -> bool:
    """Whether the content is a harmless pickle. Raises BuildError for a dangerous one."""
    suffix = PurePosixPath(name).suffix
    if suffix not in PICKLES:
        _scan_other(archive, name, content)
        return False
    try:
        if suffix in TORCH:
            # Handles torch's older format too: several pickles, followed by numbers, in one file.
            result = scan_bytes(io.BytesIO(content), name, suffix)
        else:
            result = scan_pickle_bytes(io.BytesIO(content), name)
    # The errors differ between torch's formats.
    except Exception as error:
        raise _unscannable(archive, name, f"{type(error).__name__}: {error}") from error
    code = [
        found for found in result.globals if found.safety is not SafetyLevel.Innocuous and not _is_torchscript(found)
    ]
    if code:
        raise _dangerous(archive, name, code)
    if result.scan_err:
        raise _unscannable(archive, name, "an incomplete pickle")
    return True


def _scan_other(archive: str, name: str, content: bytes) -> None:
    """Refuse known dangers and complete pickles; a few bytes of numbers or text may look like a pickle by chance."""
    # A name that the scanner cannot determine ("unknown") is chance as well.
    with contextlib.suppress(ValueError):
        found = scan_pickle_bytes(io.BytesIO(content), name).globals
        known = [
            one for one in found if one.safety is SafetyLevel.Dangerous and "unknown" not in (one.module, one.name)
        ]
        if known:
            raise _dangerous(archive, name, known)
    if _is_whole_pickle(content):
        raise BuildError(
            f"no pickle in {archive} other than the model's own",
            f"{name}, a pickle without a pickle's file name",
            "leaving that file out, or writing it as JSON",
        )


def _is_torchscript(found: Global) -> bool:
    """Whether it refers to a name that torch.jit.load resolves in the archive's own code, never in Python.

    https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/docs/serialization.md
    """
    return found.module.partition(".")[0] == "__torch__" or found.module == "torch.jit._pickle"


def _is_whole_pickle(content: bytes) -> bool:
    """Whether it is a valid pickle to its end and imports something or starts with a pickle's header."""
    try:
        # Unlike genops, dis tracks the stack and fails if it underflows.
        pickletools.dis(content, io.StringIO())
    except Exception:
        return False
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(content)}
    return content.startswith(b"\x80") or not opcodes.isdisjoint(IMPORTS)


def _dangerous(archive: str, name: str, code: list[Global]) -> BuildError:
    named = ", ".join(sorted(f"{one.module}.{one.name}" for one in code)[:MAX_NAMED])
    return BuildError(
        f"pickles in {archive} that contain only tensors",
        f"{named} in {name}: reading it may run code",
        REMEDY,
    )


def _unscannable(archive: str, name: str, why: str) -> BuildError:
    return BuildError(f"only files in {archive} that can be scanned for pickles", f"{name}: {why}", REMEDY)
