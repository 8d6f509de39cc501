"""Triton's Python backend: one BYTES element in (the image file), one BYTES element out (the answer as JSON)."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils

from workload import Workload


class TritonPythonModel:
    """One instance per process; Triton's dynamic batcher hands over several requests at once."""

    def initialize(self, args: dict) -> None:
        self.workload = Workload.from_environment()

    def execute(self, requests: list) -> list:
        """All requests run as one batch; each has exactly one image, whatever the rank of its tensor."""
        images = [pb_utils.get_input_tensor_by_name(request, "IMAGE").as_numpy() for request in requests]
        answers = self.workload.answer_all([image.item() for image in images])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("ANSWER", _bytes_like(image, json.dumps(answer)))])
            for image, answer in zip(images, answers, strict=True)
        ]


def _bytes_like(image: np.ndarray, text: str) -> np.ndarray:
    """Text as the only element of a tensor of the image's shape."""
    return np.full(image.shape, text.encode(), np.object_)
