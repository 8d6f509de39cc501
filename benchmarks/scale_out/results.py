"""Reads and writes the measurements in results.json, next to this file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from scale_out.replicas import Run
from stackcli.plan.measured import Results

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Loaded:
    """The result of a number of replicas behind the edge in one round."""

    round: int
    replicas: int
    run: Run


@dataclass(frozen=True)
class Facts:
    """Beside the load: bytes of images, archives, what was sent and a photo; series by what is scraped."""

    machine: str
    torchserve_image: int
    edge_image: int
    archives: int
    torchserve_series: int
    edge_series: int
    body: int
    photo: int


@dataclass(frozen=True)
class Measured:
    """`bench`: one replica asked straight, of each load the median run. `straight`: its best rate in each round.

    `closed`: at their best; `opened`: under LOAD of what is predicted for them.
    """

    bench: Results
    straight: list[float]
    closed: list[Loaded]
    opened: list[Loaded]
    facts: Facts

    def rates(self, replicas: int) -> list[float]:
        """Returns requests/s of the closed loops, in the order of the rounds."""
        return [one.run.rate for one in self.closed if one.replicas == replicas]

    def opened_runs(self, replicas: int) -> list[Run]:
        return [one.run for one in self.opened if one.replicas == replicas]


def write(measured: Measured) -> None:
    figures: dict[str, Any] = {
        "bench": measured.bench.model_dump(mode="json"),
        "straight": measured.straight,
        "closed": [asdict(one) for one in measured.closed],
        "opened": [asdict(one) for one in measured.opened],
        "facts": asdict(measured.facts),
    }
    FILE.write_text(json.dumps(figures, indent=1) + "\n")


def read() -> Measured:
    return TypeAdapter(Measured).validate_json(FILE.read_text())
