# mypy: ignore-errors
"""Answers in words, slowly: for requests that are still in flight when the stack stops."""

import time

from common.image_handler import ImageHandler

SECONDS = 2.5


class SlowBrightnessClassifier(ImageHandler):
    def handle(self, requests, context):
        print("slow: working", flush=True)
        time.sleep(SECONDS)
        return super().handle(requests, context)

    def answer(self, scores):
        return ("dark", "bright")[int(scores.argmax())]
