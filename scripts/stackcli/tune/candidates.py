"""The settings that `scripts/stack tune` may try for a model, and the goal it tunes for; runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from stackcli.common.errors import ConfigError

GREEDY_SIZES = (4, 8, 16, 32)  # with maxBatchDelay 0: a batch takes whatever is waiting
WAITING_BATCHES = ((8, 1), (8, 2), (32, 1), (32, 2))  # batchSize, maxBatchDelay in ms


@dataclass(frozen=True)
class Goal:
    """The highest rate; with `p99_ms`, the highest one whose 99th percentile stays within that many milliseconds."""

    p99_ms: float | None = None

    @classmethod
    def parse(cls, text: str) -> Goal:
        name, _, limit = text.partition("=")
        if text == "throughput":
            return cls()
        try:
            milliseconds = float(limit)
        except ValueError:
            milliseconds = math.nan
        if name != "p99" or not 0 < milliseconds < math.inf:
            raise ConfigError("--goal throughput or --goal p99=MS", repr(text), "for example --goal p99=20")
        return cls(milliseconds)

    def __str__(self) -> str:
        return "throughput" if self.p99_ms is None else f"p99={self.p99_ms:g}"


@dataclass(frozen=True)
class Candidate:
    """One setting of a model. `threads`: per worker; `max_batch_delay`: ms; `precision`: "" if it cannot be chosen."""

    workers: int
    threads: int
    batch_size: int
    max_batch_delay: int
    precision: str = ""

    @property
    def settings(self) -> dict[str, int | str]:
        """Returns the settings by the keys of tuned.json."""
        settings: dict[str, int | str] = {
            "workers": self.workers,
            "threads": self.threads,
            "batchSize": self.batch_size,
            "maxBatchDelay": self.max_batch_delay,
        }
        return {**settings, "precision": self.precision} if self.precision else settings

    @property
    def shape(self) -> str:
        return f"{self.workers} × {self.threads}"

    @property
    def batching(self) -> str:
        if self.max_batch_delay == 0:
            return f"≤ {self.batch_size} at once"
        if self.batch_size == 1:
            return "none"
        return f"≤ {self.batch_size} in {self.max_batch_delay} ms"

    def __str__(self) -> str:
        precision = f", {self.precision}" if self.precision else ""
        return f"workers × threads {self.shape}, batches {self.batching}{precision}"


@dataclass(frozen=True)
class Space:
    """The search space: at most `cpus` threads in total, and no batch that `connections` can never fill."""

    cpus: int
    connections: int
    precisions: tuple[str, ...]

    def holds(self, candidate: Candidate) -> bool:
        is_small = candidate.batch_size <= max(1, self.connections)
        return is_small and candidate.workers * candidate.threads <= self.cpus

    def start(self, default: Candidate) -> Candidate:
        """Returns where the search starts: the default, or a candidate of the space close to it."""
        fits = default.workers * default.threads <= self.cpus
        start = default if fits else replace(default, workers=self.cpus, threads=1)
        return start if self.holds(start) else replace(start, batch_size=1, max_batch_delay=1)

    def other_precisions(self, candidate: Candidate) -> list[Candidate]:
        return self._held(replace(candidate, precision=precision) for precision in self.precisions)

    def other_shapes(self, candidate: Candidate) -> list[Candidate]:
        """Returns the shapes from one thread per worker to one worker, halving, and one that uses half the CPUs."""
        workers = [self.cpus >> halvings for halvings in range(self.cpus.bit_length())]
        shapes = [(count, self.cpus // count) for count in workers] + [(max(1, self.cpus // 2), 1)]
        return self._held(replace(candidate, workers=count, threads=threads) for count, threads in shapes)

    def other_batchings(self, candidate: Candidate) -> list[Candidate]:
        batchings = [(1, 1), *((size, 0) for size in GREEDY_SIZES), *WAITING_BATCHES]
        return self._held(replace(candidate, batch_size=size, max_batch_delay=delay) for size, delay in batchings)

    def _held(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Returns those in the space, each once."""
        return [candidate for candidate in dict.fromkeys(candidates) if self.holds(candidate)]
