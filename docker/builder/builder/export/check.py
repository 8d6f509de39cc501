"""Run the exported files as a TorchServe worker would, on real inputs, and refuse a model that misses its limits.

Every precision of the archive is compared with the eager model. The one to be served must pass; an alternative that
does not pass, or that this CPU does not support, is left out of the archive.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from builder.errors import CheckFailed
from builder.export.convert import CALIBRATION_IMAGES, OPENVINO_INT8, example_input, write_int8
from builder.export.exported import ExportedModel
from builder.export.folder import Export, read_settings, write_settings
from builder.spec import ModelSpec

BATCH = 100
# How many random inputs to compare a model on that has neither labelled images nor samples.
RANDOM_INPUTS = 4


@dataclass
class Figures:
    """One precision compared with the eager model on the same inputs; accuracies are None if there are no labels.

    `max_abs_error`: the largest error of a score; `max_relative_error`: the same, divided by the largest score.
    """

    max_abs_error: float
    max_relative_error: float
    top1_disagreement: float
    images: int
    accuracy: float | None
    eager_accuracy: float | None


@dataclass
class Evaluation:
    """Scores: float32 [N, classes]; labels: int [N]; images: the N files as a client sends them."""

    scores: np.ndarray
    labels: np.ndarray
    images: list[bytes]

    @property
    def accuracy(self) -> float:
        return float((self.scores.argmax(1) == self.labels).mean())


@dataclass
class Report:
    """What the check found, for the manifest; `figures` by precision."""

    engine: str
    precision: str
    figures: dict[str, Figures]
    samples: list[dict[str, Any]]
    evaluation: Evaluation | None


@dataclass
class Images:
    """The images that the engines are compared on, as a client sends them, with labels if there are any."""

    files: list[bytes]
    labels: np.ndarray | None


def check_export(
    spec: ModelSpec, export: Export, eager: torch.nn.Module, trained: bool, source: Path, data: Path | None
) -> Report:
    """Check the export and settle its precisions. Raises CheckFailed if a trained model misses a limit in `accept`."""
    model = ExportedModel(spec, export, "f32")
    if not model.has_engine:
        samples = _check_samples(model, trained, source / spec.samples)
        return Report("torchscript" if spec.torchscript else "eager", "f32", {}, samples, None)
    images = _images(spec, source, data)
    models = {"f32": model, **_other_precisions(spec, export, model, data)}
    served = spec.engine.precision if spec.engine.precision in models else "f32"
    samples = _check_samples(models[served], trained, source / spec.samples)
    scores, reference = _scores(spec, models, eager, images)
    figures = {precision: _compare(rows, reference, images.labels) for precision, rows in scores.items()}
    if not trained:
        # Neither labels nor limits say anything about the answers of random weights.
        for row in figures.values():
            row.accuracy = row.eager_accuracy = None
    for precision in [name for name in figures if trained and name != served]:
        if problem := _problem(spec, figures[precision]):
            print(f"{spec}: leaving out {precision}: {problem}", flush=True)
            del figures[precision]
    if trained and (problem := _problem(spec, figures[served])):
        raise problem
    _settle(export, served, figures)
    judged = Evaluation(scores[served], images.labels, images.files) if trained and images.labels is not None else None
    return Report(models[served].handler.engine.name, served, figures, samples, judged)


def _images(spec: ModelSpec, source: Path, data: Path | None) -> Images:
    """Return the labelled images if the model has any, else its samples; empty if it has neither."""
    if spec.labelled and data:
        rows = list(importlib.import_module(Path(spec.labelled).stem).labelled_images(data))
        return Images([image for image, _ in rows], np.array([label for _, label in rows]))
    return Images([path.read_bytes() for path in _sample_files(source / spec.samples)], None)


def _other_precisions(
    spec: ModelSpec, export: Export, f32: ExportedModel, data: Path | None
) -> dict[str, ExportedModel]:
    """Return the models at the precisions other than float32 that engine and CPU support; may be empty."""
    if f32.handler.engine.name != "openvino":
        return {}
    engines = importlib.import_module("common.engines")
    models = {}
    for precision in [name for name in spec.engine.precisions if name != "f32"]:
        if engines.usable(export.folder, "openvino", precision)[1] != precision:
            print(f"{spec}: leaving out {precision}: this CPU does not support it, so it cannot be checked", flush=True)
            continue
        if precision == "int8" and spec.calibration and data:
            files = importlib.import_module(Path(spec.calibration).stem).calibration_images(data)
            write_int8(f32.inputs(list(islice(files, CALIBRATION_IMAGES))), export.folder)
        models[precision] = ExportedModel(spec, export, precision)
    return models


def _scores(
    spec: ModelSpec, models: dict[str, ExportedModel], eager: torch.nn.Module, images: Images
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return float32 [N, classes] by precision and of the eager model, computed in batches to save memory."""
    rows: dict[str, list[np.ndarray]] = {precision: [] for precision in models}
    reference = []
    for inputs in _inputs(spec, models["f32"], images.files):
        for precision, model in models.items():
            rows[precision].append(model.scores(inputs))
        with torch.inference_mode():
            reference.append(eager.eval()(torch.from_numpy(inputs)).numpy())
    return {precision: np.concatenate(batches) for precision, batches in rows.items()}, np.concatenate(reference)


def _inputs(spec: ModelSpec, model: ExportedModel, files: list[bytes]) -> Iterator[np.ndarray]:
    """Yield batches of float32 [N, channels, height, width]."""
    if not files:
        yield example_input(spec, RANDOM_INPUTS).numpy()
    for start in range(0, len(files), BATCH):
        yield model.inputs(files[start : start + BATCH])


def _compare(scores: np.ndarray, reference: np.ndarray, labels: np.ndarray | None) -> Figures:
    error = float(np.abs(scores - reference).max())
    return Figures(
        max_abs_error=error,
        max_relative_error=error / float(np.abs(reference).max()),
        top1_disagreement=float((scores.argmax(1) != reference.argmax(1)).mean()),
        images=len(scores),
        accuracy=None if labels is None else float((scores.argmax(1) == labels).mean()),
        eager_accuracy=None if labels is None else float((reference.argmax(1) == labels).mean()),
    )


def _problem(spec: ModelSpec, figures: Figures) -> CheckFailed | None:
    """Return the first limit in `accept` that the figures miss, or None."""
    accept, count = spec.accept, f"on {figures.images} images"
    if figures.accuracy is not None and figures.accuracy < accept.min_accuracy:
        return CheckFailed(
            f"an accuracy of at least {accept.min_accuracy:.2%}",
            f"{figures.accuracy:.2%} {count}",
            "longer training, or a lower accept.min_accuracy",
        )
    if figures.top1_disagreement > accept.max_top1_disagreement:
        return CheckFailed(
            f"at most {accept.max_top1_disagreement:.2%} of answers to differ from the eager model's",
            f"{figures.top1_disagreement:.2%} {count}",
            "a more exact engine or precision, or a higher accept.max_top1_disagreement",
        )
    if figures.accuracy is not None and figures.eager_accuracy is not None:
        drop = figures.eager_accuracy - figures.accuracy
        if drop > accept.max_accuracy_drop:
            return CheckFailed(
                f"accuracy at most {accept.max_accuracy_drop:.2%} below the eager model's {figures.eager_accuracy:.2%}",
                f"{drop:.2%} below {count}",
                "a more exact engine or precision, or a higher accept.max_accuracy_drop",
            )
    return None


def _settle(export: Export, served: str, figures: dict[str, Figures]) -> None:
    """Write the precision to serve into the archive's settings, and delete the int8 files if int8 failed."""
    settings = read_settings(export)
    settings["handler"]["engine"]["precision"] = served
    write_settings(export, settings)
    if "int8" not in figures:
        for path in export.folder.glob(f"{Path(OPENVINO_INT8).stem}.*"):
            path.unlink()


def _sample_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*")) if path.name != "expected.json"]


def _check_samples(model: ExportedModel, trained: bool, folder: Path) -> list[dict[str, Any]]:
    """Check that every sample is answered, as expected.json says if it names it. Raises CheckFailed."""
    expected_file = folder / "expected.json"
    expected = json.loads(expected_file.read_text()) if trained and expected_file.is_file() else {}
    rows = []
    for path in _sample_files(folder):
        answer = model.answer(path.read_bytes())
        best = next(iter(answer)) if isinstance(answer, dict) else str(answer)
        if best != expected.get(path.name, best):
            raise CheckFailed(
                f"{expected[path.name]!r} for {path.name}", repr(best), "better weights, or a different sample"
            )
        rows.append({"file": path.name, "expected": expected.get(path.name)})
    return rows
