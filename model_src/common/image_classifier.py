"""Answer like TorchServe's `image_classifier`: the five best labels with their probabilities."""

import json
from typing import Any

import numpy as np

from common.image_handler import ImageHandler
from common.probabilities import softmax

TOP = 5


class ImageClassifier(ImageHandler):
    """Turns scores into probabilities by softmax; the labels come from the archive's index_to_name.json."""

    def initialize(self, context: Any) -> None:
        super().initialize(context)
        self.classes = json.loads((self.folder / "index_to_name.json").read_text())

    def answer(self, scores: np.ndarray) -> dict[str, float]:
        """Return {label: probability}, best first, for scores: float32 [classes]."""
        probabilities = softmax(scores)
        answer: dict[str, float] = {}
        for index in np.argsort(-probabilities, kind="stable")[:TOP]:
            name = self.classes[str(index)]
            identifier, label = name if isinstance(name, list) else (str(index), name)
            # Two of ImageNet's labels name two classes each ("crane", "maillot"): keep both answers.
            answer[f"{label} ({identifier})" if label in answer else label] = float(probabilities[index])
        return answer
