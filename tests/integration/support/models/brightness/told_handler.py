# mypy: ignore-errors
"""Does what it is told: `hold 0.5` half a second, `fail 2.0` if that is its version, `take 100` MiB until it ends."""

import time

from common.image_handler import ImageHandler

MIB = 1 << 20
taken = []


class Told(ImageHandler):
    def handle(self, requests, context):
        orders = [bytes(request.get("body") or b"")[:20].split() for request in requests]
        if not all(len(order) == 2 and order[0] in (b"hold", b"fail", b"take") for order in orders):
            return super().handle(requests, context)
        return [self.obey(order.decode(), value.decode(), context) for order, value in orders]

    def obey(self, order, value, context):
        if order == "hold":
            time.sleep(float(value))
        if order == "take":
            taken.append(b"x" * (int(value) * MIB))
        if order == "fail" and value == context.manifest["model"]["modelVersion"]:
            raise RuntimeError("as told")
        return "done"

    def answer(self, scores):
        return ("dark", "bright")[int(scores.argmax())]
