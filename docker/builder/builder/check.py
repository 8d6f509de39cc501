"""Run the exported files as a TorchServe worker would, on real inputs, and refuse what misses its limits."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from ts.context import Context, RequestProcessor
from ts.utils.util import list_classes_from_module

from builder.errors import CheckFailed
from builder.export import SETTINGS, Export, example_input
from builder.spec import ModelSpec

BATCH = 100
PARITY_IMAGES = 1000
# Where a model has neither labelled images nor samples.
PARITY_RANDOM_INPUTS = 4


@dataclass
class Parity:
    """Exported model against the eager one, on the same inputs."""

    max_abs_error: float
    top1_disagreement: float
    images: int


@dataclass
class Evaluation:
    """scores: float32 [N, classes], labels: int [N], images: the N files as a client sends them."""

    scores: np.ndarray
    labels: np.ndarray
    images: list[bytes]

    @property
    def accuracy(self) -> float:
        return float((self.scores.argmax(1) == self.labels).mean())


@dataclass
class Report:
    """What the check found: it goes into the manifest."""

    parity: Parity | None
    samples: list[dict[str, Any]]
    evaluation: Evaluation | None


class ServedModel:
    """The handler of an exported folder, initialised and called as a TorchServe worker does."""

    def __init__(self, spec: ModelSpec, export: Export) -> None:
        self._context = Context(
            spec.name,
            str(export.folder),
            {"model": {"serializedFile": export.serialized_file, "modelFile": export.model_file}},
            spec.serving.batchSize,
            None,
            "",
            model_yaml_config=yaml.safe_load((export.folder / SETTINGS).read_text()),
        )
        sys.path.insert(0, str(export.folder))
        # model.py was imported from the source folder: the archive's own copy has to work as well.
        for name in [Path(export.model_file).stem, "common", *(name for name in sys.modules if name[:7] == "common.")]:
            sys.modules.pop(name, None)
        self.handler: Any = list_classes_from_module(importlib.import_module(Path(export.handler).stem))[0]()
        self.handler.initialize(self._context)

    def answer(self, image: bytes) -> Any:
        """What a client gets for one image; raises CheckFailed when the handler does not answer 200."""
        request = RequestProcessor({})
        self._context.request_processor = [request]
        answer = self.handler.handle([{"body": image}], self._context)[0]
        if request.get_response_status_code() != 200:
            raise CheckFailed("an answer for every sample", str(answer), "an image that the model can read")
        return answer

    def read(self, images: list[bytes]) -> np.ndarray:
        """float32 [N, channels, height, width]"""
        return np.stack([self.handler.read(image) for image in images])

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """float32 [N, classes]"""
        return np.concatenate([self.handler.scores(batch) for batch in _batches(inputs)])


def check_export(
    spec: ModelSpec, export: Export, eager: torch.nn.Module, trained: bool, source: Path, data: Path | None
) -> Report:
    """Raises CheckFailed past the limits in `accept`; an untrained model is not judged on its answers."""
    labelled = _labelled_images(spec, data) if trained else None
    model = ServedModel(spec, export)
    samples = _check_samples(model, trained, source / spec.samples)
    if not hasattr(model.handler, "scores"):
        return Report(None, samples, None)
    evaluation = _evaluate(spec, model, *labelled) if labelled else None
    images = (
        evaluation.images if evaluation else [(source / spec.samples / row["file"]).read_bytes() for row in samples]
    )
    return Report(_compare(spec, model, eager, images[:PARITY_IMAGES]), samples, evaluation)


def _labelled_images(spec: ModelSpec, data: Path | None) -> tuple[list[bytes], np.ndarray] | None:
    if not spec.labelled or not data:
        return None
    rows = list(importlib.import_module(Path(spec.labelled).stem).labelled_images(data))
    return [image for image, _ in rows], np.array([label for _, label in rows])


def _check_samples(model: ServedModel, trained: bool, folder: Path) -> list[dict[str, Any]]:
    """Every image of samples/ gets an answer; where expected.json names one, that answer."""
    expected_file = folder / "expected.json"
    expected = json.loads(expected_file.read_text()) if trained and expected_file.is_file() else {}
    rows = []
    for path in sorted(folder.glob("*")):
        if path == expected_file:
            continue
        answer = model.answer(path.read_bytes())
        best = next(iter(answer)) if isinstance(answer, dict) else str(answer)
        if best != expected.get(path.name, best):
            raise CheckFailed(
                f"{expected[path.name]!r} for {path.name}", repr(best), "better weights or another sample"
            )
        rows.append({"file": path.name, "expected": expected.get(path.name)})
    return rows


def _evaluate(spec: ModelSpec, model: ServedModel, images: list[bytes], labels: np.ndarray) -> Evaluation:
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    evaluation = Evaluation(np.concatenate([model.scores(model.read(batch)) for batch in batches]), labels, images)
    if evaluation.accuracy < spec.accept.min_accuracy:
        raise CheckFailed(
            f"an accuracy of at least {spec.accept.min_accuracy:.2%}",
            f"{evaluation.accuracy:.2%} on {len(labels)} images",
            "longer training, or a lower accept.min_accuracy",
        )
    return evaluation


def _compare(spec: ModelSpec, model: ServedModel, eager: torch.nn.Module, images: list[bytes]) -> Parity:
    inputs = model.read(images) if images else example_input(spec, PARITY_RANDOM_INPUTS).numpy()
    scores = model.scores(inputs)
    with torch.inference_mode():
        reference = np.concatenate([eager.eval()(torch.from_numpy(batch)).numpy() for batch in _batches(inputs)])
    disagreement = float((scores.argmax(1) != reference.argmax(1)).mean())
    if disagreement > spec.accept.max_top1_disagreement:
        raise CheckFailed(
            f"at most {spec.accept.max_top1_disagreement:.2%} other answers than eager's",
            f"{disagreement:.2%} on {len(inputs)} images",
            "a more exact engine, or a higher accept.max_top1_disagreement",
        )
    return Parity(float(np.abs(scores - reference).max()), disagreement, len(inputs))


def _batches(inputs: np.ndarray) -> list[np.ndarray]:
    return [inputs[start : start + BATCH] for start in range(0, len(inputs), BATCH)]
