"""Reads the numbers of what is served from the edge (docker/edge/supervisor/numbers.py); it computes none itself."""

from __future__ import annotations

from docker.models.containers import Container
from pydantic import BaseModel, Field, ValidationError

from stackcli.common.errors import ServeError
from stackcli.project.inside import run_inside


class Rate(BaseModel):
    """Answers per second by outcome: well, refused, failed."""

    ok: float = Field(alias="2xx")
    refused: float = Field(alias="4xx")
    failed: float = Field(alias="5xx")

    @property
    def all(self) -> float:
        return self.ok + self.refused + self.failed


class Workers(BaseModel):
    """How many are in which state."""

    ready: int = 0
    starting: int = 0
    failed: int = 0


class ModelNumbers(BaseModel):
    """One version. `share`: percent of the unversioned requests; `rate`, `p50_ms`, `p99_ms`: None where not known."""

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
    """One TorchServe's container; None throughout where it does not answer."""

    instance: str
    memory_bytes: int | None
    memory_limit_bytes: int | None
    cpu_cores: float | None


class Numbers(BaseModel):
    """`seconds`: what the rates are taken over."""

    seconds: float = 0.0
    models: list[ModelNumbers] = []
    torchserve: list[Server] = []

    def of(self, name: str, version: str) -> ModelNumbers | None:
        return next((one for one in self.models if (one.name, one.version) == (name, version)), None)


def read_numbers(edge: Container) -> Numbers:
    """From inside its container, for which no port has to be published and no key is asked. Raises ServeError."""
    answer = run_inside(edge, "supervisor.ask")
    try:
        return Numbers.model_validate(answer)
    except ValidationError:
        raise ServeError("the edge's numbers", str(answer)[:200], "`scripts/stack up`") from None
