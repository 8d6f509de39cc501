"""Fill a model with its weights: trained here, read from a file, or random on explicit request."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from builder.errors import WeightsRefused
from builder.inputs.files import Log, data_folder, weights_file
from builder.inputs.weights_cache import TrainedWeightsCache
from builder.spec import ModelSpec, RandomWeights, TrainedWeights
from contract.archive import file_sha256


@dataclass
class Weights:
    """Where the weights in the module come from."""

    origin: str
    sha256: str | None = None
    trained: bool = True
    history: list[dict[str, float]] = field(default_factory=list)


def load_weights(
    spec: ModelSpec, module: torch.nn.Module, folder: Path, cache: Path, log: Log, reuse: bool = False
) -> Weights:
    """Fill `module` with its weights. Raises Unavailable or WeightsRefused.

    reuse: whether to accept weights that an earlier build trained from the same inputs.
    """
    weights = spec.weights
    if isinstance(weights, TrainedWeights):
        kept = TrainedWeightsCache(spec, folder, cache)
        earlier = kept.find() if reuse else None
        if earlier:
            module.load_state_dict(earlier.state_dict)
            origin = f"trained by {weights.train} (seed {weights.seed}) in an earlier build, {earlier.date}"
            return Weights(origin=origin, history=earlier.history)
        trained = _train(spec, weights, module, folder, cache, log)
        kept.keep(module.state_dict(), trained.history)
        return trained
    if isinstance(weights, RandomWeights):
        # The caller seeded torch before it created the module, so the initial values are the weights.
        return Weights(origin=f"UNTRAINED: random values from seed {weights.random}", trained=False)
    path, origin = weights_file(spec, folder, cache, log)
    _load_file(path, module)
    return Weights(origin=origin, sha256=file_sha256(path))


def seed_of(spec: ModelSpec) -> int:
    """Return the seed to set in torch before the module is created."""
    weights = spec.weights
    if isinstance(weights, RandomWeights):
        return weights.random
    return weights.seed if isinstance(weights, TrainedWeights) else 0


def _train(
    spec: ModelSpec, weights: TrainedWeights, module: torch.nn.Module, folder: Path, cache: Path, log: Log
) -> Weights:
    train: Any = importlib.import_module(Path(weights.train).stem).train
    history = train(module, data_folder(spec, folder, cache), weights.seed, log) or []
    return Weights(origin=f"trained here by {weights.train} (seed {weights.seed})", history=history)


def _load_file(path: Path, module: torch.nn.Module) -> None:
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    # torch.load may raise almost any exception for a damaged or foreign file.
    except Exception as error:
        raise WeightsRefused(
            f"a state_dict in {path.name}",
            f"sha256 {file_sha256(path)}, unreadable ({str(error).splitlines()[0]})",
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
