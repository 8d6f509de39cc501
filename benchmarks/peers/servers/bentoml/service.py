"""BentoML: a Service with one API whose root input is the raw body."""

from typing import Any

import bentoml

from workload import IS_TUNED, WORKERS, Workload

SETTINGS: dict = {"workers": WORKERS, "logging": {"access": {"enabled": False}}} if IS_TUNED else {}


@bentoml.service(**SETTINGS)
class ImageService:
    """One model per worker process."""

    def __init__(self) -> None:
        self.workload = Workload.from_environment()

    @bentoml.api(route="/predict")
    def predict(self, image: bytes, /) -> Any:
        """One image, one answer."""
        return self.workload.answer_all([image])[0]
