# mypy: ignore-errors
"""Does what no handler should, when told to: `allocate` takes memory without end, `hold 0.5` half a second."""

import time

from common.image_handler import ImageHandler

CHUNK_BYTES = 16 << 20


class Hog(ImageHandler):
    def handle(self, requests, context):
        orders = [bytes(request.get("body") or b"") for request in requests]
        if b"allocate" in orders:
            allocate_without_end()
        if any(order.startswith(b"hold ") for order in orders):
            time.sleep(max(float(order.split()[1]) for order in orders))
            return ["held"] * len(orders)
        return super().handle(requests, context)

    def answer(self, scores):
        return ("dark", "bright")[int(scores.argmax())]


def allocate_without_end() -> None:
    """Written to, or the kernel would only promise it."""
    taken = []
    while True:
        taken.append(b"x" * CHUNK_BYTES)
