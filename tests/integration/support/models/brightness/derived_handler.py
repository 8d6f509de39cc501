# mypy: ignore-errors
"""Answers in words, from TorchServe's base classes, and imports onnxruntime itself."""

import onnxruntime
from common.image_handler import ImageHandler
from ts.torch_handler.base_handler import BaseHandler


class DerivedBrightnessClassifier(ImageHandler, BaseHandler):
    def answer(self, scores):
        assert "CPUExecutionProvider" in onnxruntime.get_available_providers()
        return ("dark", "bright")[int(scores.argmax())]
