"""One self-contained HTML page with a model's test results: curves, confusion matrix, most confident mistakes."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from builder.export.check import Evaluation
from builder.inputs.weights import Weights
from builder.spec import ModelSpec

# A confusion matrix of more classes would be unreadable.
MAX_MATRIX_CLASSES = 20
MAX_MISTAKES = 20


def write_report(spec: ModelSpec, weights: Weights, evaluation: Evaluation, folder: Path) -> Path:
    """Write `<name>-<version>.html` to `folder` and return its path."""
    classes = evaluation.scores.shape[1]
    template = jinja2.Environment(autoescape=True).from_string(
        (Path(__file__).parent / "report.html").read_text(encoding="utf-8")
    )
    page = template.render(
        spec=spec,
        origin=weights.origin,
        accuracy=evaluation.accuracy,
        images=len(evaluation.labels),
        curves=_curves(weights.history) if weights.history else None,
        matrix=_confusion_matrix(evaluation) if classes <= MAX_MATRIX_CLASSES else None,
        mistakes=_confident_mistakes(evaluation),
    )
    path = folder / f"{spec.key}.html"
    path.write_text(page, encoding="utf-8")
    return path


def _curves(history: list[dict[str, float]]) -> str:
    figure, axes = _figure(2, (9, 3.2))
    epochs = range(1, len(history) + 1)
    for axis, quantity in zip(axes, ("loss", "accuracy")):
        axis.plot(epochs, [row[quantity] for row in history], marker="o", label="training")
        axis.plot(epochs, [row[f"test_{quantity}"] for row in history], marker="o", label="test")
        axis.set(xlabel="epoch", ylabel=quantity, xticks=list(epochs))
        axis.grid(alpha=0.3)
        axis.legend()
    return _png(figure)


def _confusion_matrix(evaluation: Evaluation) -> str:
    classes = evaluation.scores.shape[1]
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (evaluation.labels, evaluation.scores.argmax(1)), 1)
    figure, (axis,) = _figure(1, (6, 6))
    # Colour only the few mistakes, by count: the diagonal stays white, and the numbers stay legible.
    mistakes = np.where(np.eye(classes, dtype=bool), 0, counts)
    axis.imshow(mistakes, cmap="Reds", vmax=max(1, 2 * mistakes.max()))
    for true, predicted in np.ndindex(counts.shape):
        axis.text(predicted, true, counts[true, predicted] or "", ha="center", va="center", fontsize=8)
    axis.set(xlabel="predicted class", ylabel="true class", xticks=range(classes), yticks=range(classes))
    return _png(figure)


def _confident_mistakes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the wrong answers with the highest probabilities, worst first; empty if every answer is right."""
    exponentials = np.exp(evaluation.scores - evaluation.scores.max(1, keepdims=True))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    answers = evaluation.scores.argmax(1)
    confidence = np.where(answers != evaluation.labels, probabilities.max(1), -1)
    worst = [int(index) for index in np.argsort(-confidence, kind="stable")[:MAX_MISTAKES] if confidence[index] > 0]
    return [
        {
            "image": base64.b64encode(evaluation.images[index]).decode(),
            "true": int(evaluation.labels[index]),
            "answered": int(answers[index]),
            "probability": float(confidence[index]),
        }
        for index in worst
    ]


def _figure(columns: int, inches: tuple) -> tuple:
    # Not pyplot, which keeps global state and looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _png(figure: Any) -> str:
    """Return the figure as a PNG in Base64."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return base64.b64encode(file.getvalue()).decode()
