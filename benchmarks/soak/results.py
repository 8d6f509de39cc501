"""What a soak has found, and docs/evidence/soak.md from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

MIB = 1 << 20
# How TorchServe answers the requests that a worker was working on when it died (WorkerThread of 0.12.0).
DIED = "Worker died"


@dataclass(frozen=True)
class Sample:
    """The memory of the container's processes, `seconds` after the load began: proportional set size in bytes."""

    seconds: float
    pss: int


@dataclass(frozen=True)
class Results:
    """maximum, rate: requests/s; kills: seconds after the load's begin; load: what the load generator printed."""

    machine: dict[str, Any]
    date: str
    minutes: float
    maximum: float
    rate: float
    kills: list[float]
    memory: list[Sample]
    load: dict[str, Any]

    @property
    def requests(self) -> int:
        return int(self.load["requests"])

    @property
    def wrong(self) -> int:
        return int(self.load["errors"].get("wrong", 0))

    @property
    def lost_in_worker(self) -> int:
        """Counts the accepted requests whose error says that their worker died."""
        return sum(count for answer, count in self.load["others"].items() if DIED in answer)

    @property
    def refused(self) -> dict[str, int]:
        """Returns answer → how often, of errors that no dead worker caused."""
        answers: dict[str, int] = self.load["others"]
        return {text: count for text, count in answers.items() if DIED not in text and not text.startswith("2")}

    @property
    def lost(self) -> dict[str, int]:
        """Returns how requests ended without an answer → how often."""
        return {kind: count for kind, count in self.load["errors"].items() if kind not in ("wrong", "non-2xx")}

    @property
    def right(self) -> int:
        return self.requests - self.wrong - self.lost_in_worker - sum([*self.refused.values(), *self.lost.values()])

    def memory_of_third(self, number: int) -> float:
        """Returns the mean PSS in MiB of third 0, 1 or 2."""
        size = len(self.memory) // 3
        return mean(sample.pss for sample in self.memory[number * size : (number + 1) * size]) / MIB

    @property
    def growth(self) -> float:
        """Returns the last third's memory growth over the second, as a share: 0.01 is 1 %. The first third warms up."""
        return self.memory_of_third(2) / self.memory_of_third(1) - 1

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def render(results: Results) -> str:
    """Renders docs/evidence/soak.md."""
    machine = results.machine
    rows = [
        ("sent", results.requests, ""),
        ("right", results.right, "200 with the right answer"),
        ("wrong", results.wrong, "200 with another answer"),
        ("refused", sum(results.refused.values()), described(results.refused)),
        ("lost in a killed worker", results.lost_in_worker, "the worker was computing them; the client gets an error"),
        ("lost otherwise", sum(results.lost.values()), described(results.lost)),
    ]
    thirds = " / ".join(f"{results.memory_of_third(number):.0f}" for number in range(3))
    latency = results.load["latency_ms"] or {}
    return (
        "# Half an hour at half of the maximum, with a worker killed every minute\n\n"
        "Written by `benchmarks/soak/run`; change nothing here by hand.\n\n"
        f"Measured {results.date} on {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}: {results.minutes:g} minutes of mnist at {results.rate:,.0f} requests/s in an open loop, "
        f"half of the {results.maximum:,.0f} that a closed loop with 64 connections got; {len(results.kills)} times a "
        "worker was ended with kill -9.\n\n"
        "| requests | number | |\n|---|---|---|\n"
        + "".join(f"| {name} | {count:,} | {note} |\n" for name, count, note in rows)
        + f"\nMemory (PSS of all processes, mean of each third): {thirds} MiB; the last third is {results.growth:+.1%} "
        "against the second.\n\n"
        + "Latency of the right answers, from when each was due: "
        + ", ".join(f"{name} {latency[name]:.3g} ms" for name in ("p50", "p99", "max") if name in latency)
        + ".\n"
    )


def described(counts: dict[str, int]) -> str:
    return "; ".join(f"{count:,} × {' '.join(text.split())}".replace("|", "\\|") for text, count in counts.items())
