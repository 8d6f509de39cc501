"""Serve an image model: turn requests into answers. A bad image never affects the other answers in its batch.

A model's own handler subclasses ImageHandler and defines in `answer` what a row of scores means.
"""

import os
import time
from pathlib import Path
from typing import Any, Optional

import numpy as np

from common.bad_image import PHRASES, TYPES, BadImageError
from common.engines import open_engine, usable
from common.explanations import Explainer
from common.model_input import ImageInput, normalise, read_pixels
from common.request_body import body_of

# The HTTP status and message with which a request is refused.
Refusal = tuple[int, str]


class ImageHandler:
    """A handler as TorchServe calls it: `initialize` once per worker, then `handle` for each batch."""

    def initialize(self, context: Any) -> None:
        """Load the engine as set in the `handler:` section of model-config.yaml."""
        properties = context.system_properties
        settings = (context.model_yaml_config or {})["handler"]
        self.folder = Path(properties["model_dir"])
        self.input = image_input(settings["input"])
        self.trained = settings["trained"]
        self.engine = _open_engine(context.model_name, self.folder, settings, properties.get("gpu_id"))
        self.explainer = Explainer(self.folder)
        # Warm up: the first inference allocates what later ones reuse.
        self.engine(np.zeros((1, *self.input.shape), np.float32))

    def handle(self, requests: list, context: Any) -> list:
        """Answer each request ({"data" | "body": image}) with something that JSON can express, in order."""
        started = time.perf_counter()
        pixels, refusals = self._read(requests)
        inputs = self.inputs(pixels) if pixels else ()
        decoded = time.perf_counter()
        rows = zip(self.scores(inputs), inputs) if pixels else iter(())
        # For the server's metrics, in seconds; stock TorchServe ignores it.
        context.stages = {"decode": decoded - started}
        if pixels:
            context.stages["inference"] = time.perf_counter() - decoded
        answers = []
        for index, refusal in enumerate(refusals):
            context.set_response_content_type(index, "application/json")
            if refusal:
                status, message = refusal
                context.set_response_status(code=status, phrase=PHRASES[status], idx=index)
                answers.append({"code": status, "type": TYPES[status], "message": message})
                continue
            if not self.trained:
                context.set_response_header(index, "X-Model-Untrained", "true")
            row, image = next(rows)
            wants_explanation = context.get_request_header(index, "explain") == "True"
            if wants_explanation:
                began = time.perf_counter()
                answers.append(self.explainer.explain(image, int(row.argmax())))
                context.stages["inference"] += time.perf_counter() - began
            else:
                answers.append(self.answer_json(row) if accepts_json(context, index) else self.answer(row))
        return answers

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """Return scores, float32 [N, classes], for normalised inputs: float32 [N, channels, height, width]."""
        return self.engine(inputs)

    def answer(self, scores: np.ndarray) -> Any:
        """Return the client's answer for one row of scores (float32 [classes]): anything that json.dumps accepts."""
        return int(scores.argmax())

    def answer_json(self, scores: np.ndarray) -> Any:
        """Return the answer for a client that accepts only JSON; override it if it can say more than `answer`."""
        return self.answer(scores)

    def read(self, body: object) -> np.ndarray:
        """Turn a request's body into uint8 [height, width, channels]. Raises BadImageError."""
        return read_pixels(body, self.input)

    def inputs(self, pixels: list[np.ndarray]) -> np.ndarray:
        """Turn the results of `read` for N requests into the engine's input: float32 [N, channels, height, width]."""
        return normalise(np.stack(pixels), self.input)

    def _read(self, requests: list) -> tuple[list[np.ndarray], list[Optional[Refusal]]]:
        """Return the readable images, and for every request None or why it is refused."""
        pixels: list[np.ndarray] = []
        refusals: list[Optional[Refusal]] = []
        for request in requests:
            try:
                pixels.append(self.read(body_of(request)))
                refusals.append(None)
            except BadImageError as error:
                # Not the error itself, whose traceback would keep a decoded image until the batch is answered.
                refusals.append((error.status, str(error)))
        return pixels, refusals


def accepts_json(context: Any, index: int) -> bool:
    """Whether request `index` of the batch accepts `application/json` and nothing else.

    Clients that also accept anything (`*/*`, as curl and axios do) get the usual answer. HTTP/2 and proxies write the
    names of headers in lower case, curl does not; a form's fields are among the headers, each with a dict as its value.
    """
    return any(
        isinstance(value, str) and name.lower() == "accept" and value.strip().lower() == "application/json"
        for name, value in context.get_all_request_header(index).items()
    )


def image_input(settings: dict) -> ImageInput:
    """Turn the `input:` section of model.yaml into an ImageInput, its lists into tuples."""
    return ImageInput(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()})


def _open_engine(model: str, folder: Path, settings: dict, gpu: Optional[int]) -> Any:
    """Open the engine that model.yaml names, or this machine's replacement for it, and log which."""
    wanted, threads = settings["engine"], settings.get("threads") or int(os.environ.get("OMP_NUM_THREADS") or 1)
    if gpu is None:
        engine, precision, reason = usable(folder, wanted["cpu"], wanted["precision"])
        where = f"{threads} thread" + ("" if threads == 1 else "s")
    else:
        engine, precision, reason = wanted["gpu"], wanted["gpu_precision"], ""
        where = f"GPU {gpu}"
    print(f"{model}: {engine} {precision}, {where}" + (f" ({reason})" if reason else ""), flush=True)
    return open_engine(folder, engine, precision, threads, gpu)
