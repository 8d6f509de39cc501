"""Load an exported folder and call its handler as a TorchServe worker does."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ts.context import Context, RequestProcessor
from ts.utils.util import list_classes_from_module

from builder.errors import CheckFailed
from builder.export.folder import Export, read_settings
from builder.spec import ModelSpec


class ExportedModel:
    """An exported folder's handler, at one of its precisions."""

    def __init__(self, spec: ModelSpec, export: Export, precision: str) -> None:
        settings = read_settings(export)
        settings["handler"]["engine"]["precision"] = precision
        self._context = Context(
            spec.name,
            str(export.folder),
            {"model": {"serializedFile": export.serialized_file, "modelFile": export.model_file}},
            spec.serving.batchSize,
            None,
            "",
            model_yaml_config=settings,
        )
        sys.path.insert(0, str(export.folder))
        # model.py was imported from the source folder; now import the archive's copy, which must work as well.
        for name in [Path(export.model_file).stem, "common", *(name for name in sys.modules if name[:7] == "common.")]:
            sys.modules.pop(name, None)
        self.handler: Any = list_classes_from_module(importlib.import_module(Path(export.handler).stem))[0]()
        self.handler.initialize(self._context)

    @property
    def has_engine(self) -> bool:
        """Whether the handler comes from `common`, so that its engine can be asked for scores."""
        return hasattr(self.handler, "engine") and hasattr(self.handler, "scores")

    def answer(self, image: bytes) -> Any:
        """Return what a client gets for one image. Raises CheckFailed if the handler does not answer 200."""
        request = RequestProcessor({})
        self._context.request_processor = [request]
        answer = self.handler.handle([{"body": image}], self._context)[0]
        if request.get_response_status_code() != 200:
            raise CheckFailed("an answer for every sample", str(answer), "an image that the model can read")
        return answer

    def inputs(self, images: list[bytes]) -> np.ndarray:
        """Return float32 [N, channels, height, width]."""
        return self.handler.inputs([self.handler.read(image) for image in images])

    def scores(self, inputs: np.ndarray) -> np.ndarray:
        """Return float32 [N, classes] for float32 [N, channels, height, width]."""
        return np.array(self.handler.scores(inputs))
