"""Keeps the weights that an earlier build trained until something changes that can affect them.

Training is by far the longest step, and most changes (to a handler, or to the builder itself) cannot affect it. Files
that training code imports or reads from elsewhere are not tracked: after changing one, build with `--force`.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from builder.imports import imported_files
from builder.spec import Folder, ModelSpec, TrainedWeights
from contract.archive import file_sha256

DECIDES = {"weights", "model", "data", "packages"}
# Fields of /proc/cpuinfo, because other instructions round differently.
CPU_KIND = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")


@dataclass
class TrainedEarlier:
    """Weights of an earlier build; `date`: when they were trained, in ISO 8601; `history`: one row per epoch."""

    date: str
    history: list[dict[str, float]]
    state_dict: dict[str, torch.Tensor]


class TrainedWeightsCache:
    """One file per model version, which records what it was trained from."""

    def __init__(self, spec: ModelSpec, folder: Path, cache: Path) -> None:
        self._file = cache / "weights" / f"{spec.key}.pth"
        self._key = _key(spec, folder)

    def find(self) -> TrainedEarlier | None:
        """Return the weights trained from exactly these inputs, or None if there are none or the file is damaged."""
        if not self._file.is_file():
            return None
        try:
            content: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
            key, earlier = content.pop("key"), TrainedEarlier(**content)
        # torch.load may raise almost any exception for a damaged file; training again takes long, but does no harm.
        except Exception:
            return None
        return earlier if key == self._key else None

    def keep(self, state_dict: dict[str, torch.Tensor], history: list[dict[str, float]]) -> None:
        """Replace the weights kept for this version."""
        content = {
            "key": self._key,
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "history": [{name: float(value) for name, value in row.items()} for row in history],
            "state_dict": state_dict,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._file.parent) as scratch:
            written = Path(scratch) / self._file.name
            torch.save(content, written)
            written.replace(self._file)


def _key(spec: ModelSpec, folder: Path) -> str:
    """Hash all that decides the weights: settings, code, data, the versions of what computes them, and the CPU."""
    digest = hashlib.sha256()
    digest.update(f"{spec.model_dump_json(include=DECIDES)}\npython {platform.python_version()}\n".encode())
    digest.update("".join(f"{tool} {version(tool)}\n" for tool in ("torch", "numpy", "pillow")).encode())
    digest.update(f"{platform.machine()}\n{_cpu_kind(Path('/proc/cpuinfo'))}\n".encode())
    for path in _files(spec, folder):
        digest.update(f"{file_sha256(path)}  {path.relative_to(folder.parent).as_posix()}\n".encode())
    return digest.hexdigest()


def _files(spec: ModelSpec, folder: Path) -> Iterator[Path]:
    """Yield the code of training and model, other files next to train.py that it may read, and the data folder."""
    assert isinstance(spec.weights, TrainedWeights)
    modules = [Path(spec.weights.train).stem, Path(spec.model).stem]
    yield from imported_files(modules, [*spec.folders(folder), folder.parent])
    yield from sorted(path for path in folder.iterdir() if path.is_file() and path.suffix not in (".py", ".yaml"))
    if isinstance(spec.data, Folder):
        yield from sorted(path for path in (folder / spec.data.folder).rglob("*") if path.is_file())


def _cpu_kind(cpuinfo: Path) -> str:
    """Return the first processor's lines that identify the kind of CPU; empty if /proc/cpuinfo has none."""
    lines = cpuinfo.read_text().partition("\n\n")[0].splitlines() if cpuinfo.is_file() else []
    return "\n".join(line for line in lines if line.partition("\t")[0] in CPU_KIND)
