"""Convert a PyTorch module to the files that engines load: OpenVINO IR, int8 by NNCF, ONNX, TorchScript."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from builder.errors import BuildError, ConversionFailed
from builder.spec import ModelSpec

# The names under which common/engines.py looks for them.
SCRIPT, ONNX, OPENVINO, OPENVINO_INT8 = "model.pt", "model.onnx", "openvino.xml", "openvino-int8.xml"
# NNCF's own default.
CALIBRATION_IMAGES = 300


def example_input(spec: ModelSpec, images: int = 1) -> torch.Tensor:
    """Return float32 [images, channels, height, width] in the model's input shape: normal values, fixed seed."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, *input_shape(spec), generator=generator)


def input_shape(spec: ModelSpec) -> tuple[int, int, int]:
    """Return (channels, height, width)."""
    height, width = spec.input.size or (spec.input.crop or 0, spec.input.crop or 0)
    return len(spec.input.mean), height, width


def write_engine(spec: ModelSpec, engine: str, module: torch.nn.Module, folder: Path) -> None:
    """Write the engine's float32 file, or nothing if the model itself is run. Raises ConversionFailed."""
    with _told_as_a_failure(spec, engine):
        if engine == "openvino":
            _write_openvino(spec, module, folder)
        elif engine == "onnxruntime":
            # dynamo=False selects the exporter that both torch 2.4 and torch 2.14 have.
            torch.onnx.export(
                module.eval(),
                (example_input(spec, images=2),),
                str(folder / ONNX),
                dynamo=False,
                input_names=["images"],
                output_names=["scores"],
                dynamic_axes={"images": {0: "n"}, "scores": {0: "n"}},
            )


def write_int8(images: np.ndarray, folder: Path) -> None:
    """Quantise the OpenVINO model in `folder` by NNCF's post-training quantisation.

    images: float32 [N, channels, height, width], at most CALIBRATION_IMAGES, real because activations set the scales.
    """
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    model = openvino.Core().read_model(folder / OPENVINO)
    # One image at a time: larger batches would hide how much single images differ.
    data = nncf.Dataset([image[None] for image in images])
    quantised = nncf.quantize(model, data, subset_size=len(images))
    _save(quantised, folder / OPENVINO_INT8)


def script(module: torch.nn.Module, spec: ModelSpec) -> torch.jit.ScriptModule:
    """Trace on two images, so that no batch size is baked in, and freeze, which folds the batch normalisations."""
    with warnings.catch_warnings(), torch.no_grad():
        # torch 2.14 deprecates TorchScript, and tracing warns about Python numbers; the check compares the outputs.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example_input(spec, images=2))
        return torch.jit.freeze(traced)


def _write_openvino(spec: ModelSpec, module: torch.nn.Module, folder: Path) -> None:
    import openvino

    # A dynamic batch, because TorchServe's batches vary with the length of the queue.
    model = openvino.convert_model(
        module.eval(), example_input=example_input(spec, images=2), input=[-1, *input_shape(spec)]
    )
    _save(model, folder / OPENVINO)


def _save(model: Any, path: Path) -> None:
    """Save reproducibly: rename operations, which OpenVINO numbers consecutively over the whole process."""
    import openvino

    model.set_friendly_name(path.stem)
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    # float16 would halve the file's size, but round every weight.
    openvino.save_model(model, path, compress_to_fp16=False)


@contextmanager
def _told_as_a_failure(spec: ModelSpec, engine: str) -> Iterator[Any]:
    """Turn whatever a converter raises for a model that it cannot convert into ConversionFailed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BuildError:
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConversionFailed(
            f"{spec} to convert to {engine}", reason, "engine: {cpu: eager} in model.yaml"
        ) from error
