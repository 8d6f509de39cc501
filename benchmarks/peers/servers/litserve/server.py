"""LitServe: decode, batch, predict, unbatch, encode, each in its own method, as LitAPI has them."""

from typing import Annotated, Any

import litserve as ls
import numpy as np
from fastapi import Body

from workload import IS_TUNED, MAX_BATCH, WORKERS, Workload

RawBody = Annotated[bytes, Body(media_type="application/octet-stream")]


class ImageAPI(ls.LitAPI):
    """One worker process each; without batching `predict` gets a single image."""

    def setup(self, device: str) -> None:
        self.workload = Workload.from_environment()

    def decode_request(self, request: RawBody) -> np.ndarray:
        return self.workload.decode(request)

    def batch(self, inputs: list) -> list:
        return inputs

    def predict(self, x: Any) -> np.ndarray:
        return self.workload.infer(x) if MAX_BATCH > 1 else self.workload.infer([x])[0]

    def unbatch(self, output: np.ndarray) -> list:
        return list(output)

    def encode_response(self, output: np.ndarray) -> Any:
        return self.workload.answer(output)


if __name__ == "__main__":
    if IS_TUNED:
        api = ImageAPI(max_batch_size=MAX_BATCH, batch_timeout=0)
        server = ls.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, timeout=False, fast_queue=True)
        server.run(port=8080, generate_client_file=False, log_level="warning")
    else:
        ls.LitServer(ImageAPI()).run(port=8080, generate_client_file=False)
