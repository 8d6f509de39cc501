"""Ray Serve: one deployment; in the equal-engine table with replicas and `serve.batch`."""

from typing import Any

from ray import serve
from starlette.requests import Request

from workload import IS_TUNED, MAX_BATCH, WORKERS, Workload


class ImageDeployment:
    """One model per replica, each a process."""

    def __init__(self) -> None:
        self.workload = Workload.from_environment()

    async def __call__(self, request: Request) -> Any:
        return self.workload.answer_all([await request.body()])[0]


class BatchedImageDeployment(ImageDeployment):
    """Requests that wait while the model computes run as one batch."""

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0)
    async def answer(self, images: list) -> list:
        """images: of all waiting requests → their answers."""
        return self.workload.answer_all(images)

    async def __call__(self, request: Request) -> Any:
        return await self.answer(await request.body())


if __name__ == "__main__":
    serve.start(http_options={"host": "0.0.0.0", "port": 8080})  # noqa: S104 the container's own network
    if IS_TUNED:
        deployment = serve.deployment(
            num_replicas=WORKERS,
            max_ongoing_requests=64,
            logging_config={"enable_access_log": False},
        )(BatchedImageDeployment if MAX_BATCH > 1 else ImageDeployment)
    else:
        deployment = serve.deployment(ImageDeployment)
    serve.run(deployment.bind(), blocking=True)
