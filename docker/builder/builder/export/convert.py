"""Convert a PyTorch module to the files that its engines load: OpenVINO IR, int8 by NNCF, ONNX, TorchScript."""

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

# The names that common/engines.py knows them by.
SCRIPT, ONNX, OPENVINO, OPENVINO_INT8 = "model.pt", "model.onnx", "openvino.xml", "openvino-int8.xml"
# NNCF's own default.
CALIBRATION_IMAGES = 300


def example_input(spec: ModelSpec, images: int = 1) -> torch.Tensor:
    """float32 [images, channels, height, width] of the model's input shape, seeded normal values."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(images, *input_shape(spec), generator=generator)


def input_shape(spec: ModelSpec) -> tuple[int, int, int]:
    """(channels, height, width)"""
    height, width = spec.input.size or (spec.input.crop or 0, spec.input.crop or 0)
    return len(spec.input.mean), height, width


def write_engine(spec: ModelSpec, engine: str, module: torch.nn.Module, folder: Path) -> None:
    """Write the engine's float32 file, or nothing where the model itself is run. Raises ConversionFailed."""
    with _told_as_a_failure(spec, engine):
        if engine == "openvino":
            _write_openvino(spec, module, folder)
        elif engine == "onnxruntime":
            # dynamo=False: the exporter that both torch 2.4 and torch 2.14 have.
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

    images: float32 [N, channels, height, width], at most CALIBRATION_IMAGES, real: their activations set the scales.
    """
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.WARNING)
    model = openvino.Core().read_model(folder / OPENVINO)
    # One at a time: a batch of any other size would not show how single images spread.
    data = nncf.Dataset([image[None] for image in images])
    quantised = nncf.quantize(model, data, subset_size=len(images))
    _save(quantised, folder / OPENVINO_INT8)


def script(module: torch.nn.Module, spec: ModelSpec) -> torch.jit.ScriptModule:
    """Traced on two images, so that a batch size is not baked in; frozen, which folds the batch normalisations."""
    with warnings.catch_warnings(), torch.no_grad():
        # torch 2.14 deprecates TorchScript, and tracing warns of each Python number; the check compares the outputs.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(module.eval(), example_input(spec, images=2))
        return torch.jit.freeze(traced)


def _write_openvino(spec: ModelSpec, module: torch.nn.Module, folder: Path) -> None:
    import openvino

    # A dynamic batch: TorchServe's batches are as large as the queue was.
    model = openvino.convert_model(
        module.eval(), example_input=example_input(spec, images=2), input=[-1, *input_shape(spec)]
    )
    _save(model, folder / OPENVINO)


def _save(model: Any, path: Path) -> None:
    """The same bytes for the same model: OpenVINO numbers operations through a whole process."""
    import openvino

    model.set_friendly_name(path.stem)
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    # float16 would halve the file, and round every weight.
    openvino.save_model(model, path, compress_to_fp16=False)


@contextmanager
def _told_as_a_failure(spec: ModelSpec, engine: str) -> Iterator[Any]:
    """Converters raise nearly anything for a model they cannot convert."""
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
