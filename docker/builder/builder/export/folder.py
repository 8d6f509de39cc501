"""Write the archive's contents to one folder: model, handler, the engine's file, settings."""

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

# The names under which common/engines.py looks for them.
MODEL, WEIGHTS = "model.py", "weights.pth"
SETTINGS = "model-config.yaml"


@dataclass
class Export:
    """The files of one archive, by torch-model-archiver's names for them."""

    folder: Path
    serialized_file: str
    model_file: str
    handler: str


def export_model(spec: ModelSpec, module: torch.nn.Module, trained: bool, source: Path, folder: Path) -> Export:
    """Write the archive's files. source: the folder of model.yaml; folder: where to write. Raises ConversionFailed."""
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
    """Return the content of model-config.yaml: TorchServe's own keys, and the section `handler` for the handler."""
    serving = spec.serving.model_dump(exclude_none=True)
    threads = serving.pop("threads", None)
    if "minWorkers" in serving:
        # TorchServe ignores minWorkers if maxWorkers is missing.
        serving["maxWorkers"] = max(serving["minWorkers"], serving.get("maxWorkers", 0))
    handler = {
        "trained": trained,
        "input": spec.input.model_dump(mode="json", exclude_none=True),
        "engine": {
            "cpu": engine,
            "precision": spec.engine.precision,
            "gpu": "torchscript" if spec.torchscript else "eager",
            # A frozen ScriptModule keeps the precision at which it was frozen.
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
    """Write the model itself, for explanations, GPUs, and machines without the engine."""
    if spec.torchscript:
        script(module, spec).save(str(folder / SCRIPT))
        return Export(folder, SCRIPT, "", handler)
    torch.save(module.state_dict(), folder / WEIGHTS)
    shutil.copy(source / spec.model, folder / MODEL)
    return Export(folder, WEIGHTS, MODEL, handler)


def _write_fast_form(spec: ModelSpec, module: torch.nn.Module, folder: Path) -> str:
    """Write the engine's file and return the engine: the one named or, with `auto`, OpenVINO if it takes the model."""
    itself = "torchscript" if spec.torchscript else "eager"
    if spec.engine.cpu != "auto":
        write_engine(spec, spec.engine.cpu, module, folder)
        return itself if spec.engine.cpu in ("eager", "torchscript") else spec.engine.cpu
    try:
        write_engine(spec, "openvino", module, folder)
    except ConversionFailed as error:
        print(f"{spec}: WARNING: {error}; serving it as {itself}", flush=True)
        return itself
    return "openvino"
