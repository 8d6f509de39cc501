"""Write what the archive will hold into one folder: model, handler, the engine's file, settings."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from builder.errors import ConversionFailed
from builder.export.convert import SCRIPT, script, write_engine
from builder.spec import ModelSpec

# The names that common/engines.py knows them by.
MODEL, WEIGHTS = "model.py", "weights.pth"
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
    export = _write_model(spec, module, source, folder, handler.name)
    engine = _write_fast_form(spec, module, folder)
    write_settings(export, settings_of(spec, trained, engine))
    return export


def settings_of(spec: ModelSpec, trained: bool, engine: str) -> dict[str, Any]:
    """model-config.yaml: TorchServe reads its own keys; the handler reads the section `handler`."""
    serving = spec.serving.model_dump(exclude_none=True)
    threads = serving.pop("threads", None)
    if "minWorkers" in serving:
        # Without a maxWorkers TorchServe ignores minWorkers.
        serving["maxWorkers"] = max(serving["minWorkers"], serving.get("maxWorkers", 0))
    handler = {
        "trained": trained,
        "input": spec.input.model_dump(mode="json", exclude_none=True),
        "engine": {
            "cpu": engine,
            "precision": spec.engine.precision,
            "gpu": "torchscript" if spec.torchscript else "eager",
            # A frozen ScriptModule keeps the precision that it was frozen with.
            "gpu_precision": "f32" if spec.torchscript else spec.engine.gpu_precision,
        },
    }
    return {**serving, "handler": {**handler, "threads": threads} if threads else handler}


def write_settings(export: Export, settings: dict[str, Any]) -> None:
    (export.folder / SETTINGS).write_text(yaml.safe_dump(settings))


def read_settings(export: Export) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((export.folder / SETTINGS).read_text())
    return settings


def _write_model(spec: ModelSpec, module: torch.nn.Module, source: Path, folder: Path, handler: str) -> Export:
    """The model itself, for explanations, GPUs, and machines without the engine."""
    if spec.torchscript:
        script(module, spec).save(str(folder / SCRIPT))
        return Export(folder, SCRIPT, "", handler)
    torch.save(module.state_dict(), folder / WEIGHTS)
    shutil.copy(source / spec.model, folder / MODEL)
    return Export(folder, WEIGHTS, MODEL, handler)


def _write_fast_form(spec: ModelSpec, module: torch.nn.Module, folder: Path) -> str:
    """The name of the engine whose file was written: the one named, or with `auto` the fastest that takes the model."""
    itself = "torchscript" if spec.torchscript else "eager"
    if spec.engine.cpu != "auto":
        write_engine(spec, spec.engine.cpu, module, folder)
        return itself if spec.engine.cpu in ("eager", "torchscript") else spec.engine.cpu
    try:
        write_engine(spec, "openvino", module, folder)
    except ConversionFailed as error:
        print(f"{spec}: WARNING: {error}; serving it with {itself}", flush=True)
        return itself
    return "openvino"
