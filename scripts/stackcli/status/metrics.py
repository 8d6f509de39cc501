"""Reads the metrics of the served versions from the edge, which computes them (docker/edge/supervisor)."""

from __future__ import annotations

from docker.models.containers import Container
from pydantic import BaseModel, Field, ValidationError

from stackcli.common.errors import ServeError
from stackcli.project.inside import run_inside


class Rate(BaseModel):
    """Answers per second by status class."""

    ok: float = Field(alias="2xx")
    refused: float = Field(alias="4xx")
    failed: float = Field(alias="5xx")

    @property
    def all(self) -> float:
        return self.ok + self.refused + self.failed


class Workers(BaseModel):
    """The number of workers in each state."""

    ready: int = 0
    starting: int = 0
    failed: int = 0


class ModelMetrics(BaseModel):
    """One version's metrics. `share`: percent of the unversioned requests; `rate` and latencies: None if unknown."""

    name: str
    version: str
    share: float | None
    rate: Rate | None
    p50_ms: float | None
    p99_ms: float | None
    in_flight: int
    queue: int
    queue_capacity: int
    workers: Workers
    restarts: int
    memory_bytes: int
    engine: str
    precision: str
    weights: str
    trained: bool
    accuracy: float | None


class Server(BaseModel):
    """One TorchServe's container; the values are None if it does not answer."""

    instance: str
    memory_bytes: int | None
    memory_limit_bytes: int | None
    cpu_cores: float | None


class Metrics(BaseModel):
    """The metrics of all versions and containers. `seconds`: the window of the rates."""

    seconds: float = 0.0
    models: list[ModelMetrics] = []
    torchserve: list[Server] = []

    def of(self, name: str, version: str) -> ModelMetrics | None:
        return next((one for one in self.models if (one.name, one.version) == (name, version)), None)


def read_metrics(edge: Container) -> Metrics:
    """Reads the metrics from inside the edge's container, without a published port or a key. Raises ServeError."""
    answer = run_inside(edge, "supervisor.ask")
    try:
        return Metrics.model_validate(answer)
    except ValidationError:
        raise ServeError("the edge's metrics", str(answer)[:200], "`scripts/stack up`") from None
