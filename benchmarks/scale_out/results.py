"""What was measured, as it is kept in results.json beside this file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import TypeAdapter

from scale_out.replicas import Run
from stackcli.bench_results import Results

FILE = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Round:
    """So many replicas at their best, and under `LOAD` of what is predicted for them."""

    replicas: int
    closed: Run
    opened: Run


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
    """`bench`: one replica alone, the input of the prediction. `rounds`: in the order in which they were run."""

    bench: Results
    rounds: list[Round]
    facts: Facts

    def of(self, replicas: int) -> list[Round]:
        return [one for one in self.rounds if one.replicas == replicas]

    def rate(self, replicas: int) -> float:
        """Median of the closed loops, requests/s."""
        return median(one.closed.rate for one in self.of(replicas))

    def p99(self, replicas: int) -> float:
        """Median of the open loops, ms."""
        return median(one.opened.p99_ms for one in self.of(replicas))


def write(measured: Measured) -> None:
    figures: dict[str, Any] = {
        "bench": measured.bench.model_dump(mode="json"),
        "rounds": [asdict(one) for one in measured.rounds],
        "facts": asdict(measured.facts),
    }
    FILE.write_text(json.dumps(figures, indent=1) + "\n")


def read() -> Measured:
    return TypeAdapter(Measured).validate_json(FILE.read_text())
