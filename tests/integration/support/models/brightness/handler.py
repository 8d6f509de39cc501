# mypy: ignore-errors
"""Answers in words."""

from common.image_handler import ImageHandler


class BrightnessClassifier(ImageHandler):
    def answer(self, scores):
        return ("dark", "bright")[int(scores.argmax())]
