"""Serve an image model: requests in, answers out, one bad image never costs a neighbour its answer.

A model's own handler subclasses ImageHandler and says in `answer` what one row of scores means.
"""

from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch

from common.engines import load_engine
from common.explanations import explain
from common.images import BadImageError, ImageInput, read_array

BAD_REQUEST = 400


class ImageHandler:
    """TorchServe's handler protocol: `initialize` once per worker, then `handle` per batch."""

    def initialize(self, context: Any) -> None:
        """Load the engine and the `handler:` section of model-config.yaml."""
        properties = context.system_properties
        model = context.manifest["model"]
        settings = (context.model_yaml_config or {})["handler"]
        self.folder = Path(properties["model_dir"])
        self.input = image_input(settings["input"])
        self.trained = settings["trained"]
        self.engine = load_engine(
            self.folder, model["serializedFile"], model.get("modelFile", ""), _device(properties.get("gpu_id"))
        )
        self.engine(np.zeros((1, *self.input.shape), np.float32))

    def handle(self, requests: list, context: Any) -> list:
        """requests: one {"data" | "body": image} per request → one JSON-able answer per request, in order."""
        images, errors = self._read(requests)
        scores = iter(self.scores(np.stack(images)) if images else ())
        inputs = iter(images)
        answers = []
        for index, error in enumerate(errors):
            context.set_response_content_type(index, "application/json")
            if error:
                context.set_response_status(code=BAD_REQUEST, phrase="Bad Request", idx=index)
                answers.append({"code": BAD_REQUEST, "type": "BadRequestException", "message": error})
                continue
            if not self.trained:
                context.set_response_header(index, "X-Model-Untrained", "true")
            row, image = next(scores), next(inputs)
            wants_explanation = context.get_request_header(index, "explain") == "True"
            answers.append(explain(self.engine, image, int(row.argmax())) if wants_explanation else self.answer(row))
        return answers

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """inputs: float32 [N, channels, height, width], normalised → float32 [N, classes]."""
        return self.engine(inputs)

    def answer(self, scores: np.ndarray) -> Any:
        """What one row of scores (float32 [classes]) means to the client; anything json.dumps takes."""
        return int(scores.argmax())

    def read(self, body: object) -> np.ndarray:
        """One request's body → float32 [channels, height, width]. Raises BadImageError."""
        return read_array(body, self.input)

    def _read(self, requests: list) -> tuple[list[np.ndarray], list[Optional[str]]]:
        """The readable images, and for every request its error or None."""
        images: list[np.ndarray] = []
        errors: list[Optional[str]] = []
        for request in requests:
            try:
                images.append(self.read(_body(request)))
                errors.append(None)
            except BadImageError as error:
                errors.append(str(error))
        return images, errors


def image_input(settings: dict) -> ImageInput:
    """The `input:` section of model.yaml, its lists made tuples."""
    return ImageInput(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})


def _body(request: dict) -> object:
    """A multipart or form field named `data`, else the raw body."""
    data = request.get("data")
    return request.get("body", b"") if data is None else data


def _device(gpu: Optional[int]) -> torch.device:
    return torch.device(f"cuda:{gpu}" if gpu is not None and torch.cuda.is_available() else "cpu")
