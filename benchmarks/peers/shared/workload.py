"""The work that every peer does for a request: decode the image, run the model, word the answer. Not a server.

A server finds its task in the environment: MODEL (a folder below /models), ENGINE and PRECISION. In the equal-engine
table WORKERS, THREADS and MAX_BATCH are set as well; unset, a peer's defaults are measured, torch's threads included.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path("/models")
MODEL = os.environ.get("MODEL", "")
IS_TUNED = bool(os.environ.get("WORKERS"))
WORKERS = int(os.environ.get("WORKERS") or 1)
# For peers that batch; 1: not at all.
MAX_BATCH = int(os.environ.get("MAX_BATCH") or 1)


class Workload:
    """One unpacked archive with its engine; decoding, normalising and answers are the archive's own code."""

    def __init__(self, folder: Path, engine: Callable[[np.ndarray], np.ndarray]) -> None:
        """folder: on sys.path already; engine: float32 [N, C, H, W], normalised → scores, float32 [N, classes]."""
        import yaml
        from common.image_classifier import ImageClassifier
        from common.image_handler import ImageHandler, image_input

        self._engine = engine
        names = folder / "index_to_name.json"
        self._handler = ImageClassifier() if names.is_file() else ImageHandler()
        if names.is_file():
            self._handler.classes = json.loads(names.read_text())
        settings = yaml.safe_load((folder / "model-config.yaml").read_text())["handler"]
        self._handler.input = image_input(settings["input"])

    @classmethod
    def load(cls, folder: Path, engine: str, precision: str, threads: int | None) -> "Workload":
        """threads: None leaves torch as it comes; then the engine is the plain module, whatever `engine` says."""
        sys.path.insert(0, str(folder))
        if threads is None:
            return cls(folder, _plain_module(folder))
        from common.engines import open_engine

        return cls(folder, open_engine(folder, engine, precision, threads))

    @classmethod
    def from_environment(cls) -> "Workload":
        """What the variables of this container ask for, the first inference already made."""
        threads = os.environ.get("THREADS")
        workload = cls.load(
            MODELS / MODEL,
            os.environ.get("ENGINE", "eager"),
            os.environ.get("PRECISION", "f32"),
            int(threads) if threads else None,
        )
        workload._engine(np.zeros((1, *workload._handler.input.shape), np.float32))
        return workload

    def decode(self, image: bytes) -> np.ndarray:
        """image: PNG, JPEG, … → uint8 [H, W, C]. Raises the archive's BadImageError."""
        return self._handler.read(image)

    def infer(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """pixels: N of what `decode` gave → scores: float32 [N, classes], valid until the next call."""
        return self._engine(self._handler.inputs(pixels))

    def answer(self, scores: np.ndarray) -> Any:
        """scores: float32 [classes] → the digit as an int, or {label: probability} of the five best."""
        return self._handler.answer(scores)

    def answer_all(self, images: Sequence[bytes]) -> list:
        """images: of any number of requests, run as one batch → their answers, in order."""
        return [self.answer(scores) for scores in self.infer([self.decode(image) for image in images])]


def _plain_module(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The eager module as any PyTorch tutorial calls it."""
    import torch
    from common.engines import load_module

    module = load_module(folder, torch.device("cpu")).eval()

    def infer(inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(inputs)).numpy()

    return infer


if __name__ == "__main__":
    # python -m workload IMAGE…: the answers of the eager module, which every server's answers are compared with.
    reference = Workload.load(MODELS / MODEL, "eager", "f32", None)
    print(json.dumps(reference.answer_all([Path(name).read_bytes() for name in sys.argv[1:]])))
