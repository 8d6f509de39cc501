"""Write what the archive will hold into one folder: model, handler, engine's file, settings."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from builder.spec import ModelSpec

SETTINGS = "model-config.yaml"


@dataclass
class Export:
    """The files of one archive, as torch-model-archiver wants them named."""

    folder: Path
    serialized_file: str
    model_file: str
    handler: str


def export_model(spec: ModelSpec, module: torch.nn.Module, trained: bool, source: Path, folder: Path) -> Export:
    """source: the folder of model.yaml, folder: where to write."""
    folder.mkdir(parents=True)
    shutil.copytree(source.parent / "common", folder / "common", ignore=shutil.ignore_patterns("__pycache__"))
    handler = Path(spec.handler)
    shutil.copy(source.parent / handler if handler.parts[0] == "common" else source / handler, folder / handler.name)
    if spec.classes:
        shutil.copy(source / spec.classes, folder / "index_to_name.json")
    (folder / SETTINGS).write_text(yaml.safe_dump(_settings(spec, trained)))
    serialized_file, model_file = "model.pt", ""
    if spec.torchscript:
        _script(module, spec).save(str(folder / serialized_file))
    else:
        serialized_file, model_file = "weights.pth", spec.model
        torch.save(module.state_dict(), folder / serialized_file)
        shutil.copy(source / spec.model, folder / spec.model)
    return Export(folder, serialized_file, model_file, handler.name)


def example_input(spec: ModelSpec, images: int = 1) -> torch.Tensor:
    """float32 [images, channels, height, width] of the model's input shape, seeded normal values."""
    height, width = spec.input.size or (spec.input.crop or 0, spec.input.crop or 0)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, len(spec.input.mean), height, width, generator=generator)


def _script(module: torch.nn.Module, spec: ModelSpec) -> torch.jit.ScriptModule:
    """Traced on two images, so that a batch size is not baked in; frozen, which folds the batch normalisations."""
    with warnings.catch_warnings(), torch.no_grad():
        # torch 2.14 deprecates TorchScript, and tracing warns of each Python number; the check compares the outputs.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example_input(spec, images=2))
        return torch.jit.freeze(traced)


def _settings(spec: ModelSpec, trained: bool) -> dict:
    """TorchServe reads its own keys; the handler reads the section `handler`."""
    serving = spec.serving.model_dump(exclude_none=True)
    if "minWorkers" in serving:
        # Without a maxWorkers TorchServe ignores minWorkers.
        serving["maxWorkers"] = max(serving["minWorkers"], serving.get("maxWorkers", 0))
    return {**serving, "handler": {"trained": trained, "input": spec.input.model_dump(mode="json", exclude_none=True)}}
