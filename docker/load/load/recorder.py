"""What happened to each request, kept as numbers and condensed at the end into one JSON object."""

from __future__ import annotations

import time
from array import array
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9}
BUCKETS = 100
# Of the other answers: enough to tell them apart, and so few that a server's random ones do not fill the memory.
OTHER_BYTES, OTHERS = 200, 20


@dataclass(frozen=True)
class Window:
    """In seconds of time.monotonic(): load from `begin`, measured from `start` to `end`."""

    begin: float
    start: float
    end: float

    @classmethod
    def opening_after(cls, warmup: float, seconds: float) -> Window:
        begin = time.monotonic()
        return cls(begin, begin + warmup, begin + warmup + seconds)

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def holds(self, moment: float) -> bool:
        return self.start <= moment < self.end


class Recorder:
    """A request belongs to the window in which it was due; the achieved rate counts the answers that came within it."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.requests = 0  # due in the window
        self.answered = 0  # 2xx that came in the window, whenever they were due
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self._latencies = array("d")  # seconds from due to answered; 2xx only
        self._lags = array("d")  # seconds from due to looked at

    def lag(self, due: float, now: float) -> None:
        """The generator comes to a request that was due; whatever it waits for after this is the server's doing."""
        if self.window.holds(due):
            self._lags.append(now - due)

    def answer(self, due: float, now: float, status: int, is_expected: bool = True) -> None:
        """`is_expected`: whether the body is what a 2xx should have; one that is not counts as the error "wrong"."""
        is_2xx = 200 <= status < 300
        is_good = is_2xx and is_expected
        if is_good and self.window.holds(now):
            self.answered += 1
        if self.window.holds(due):
            self.requests += 1
            self.statuses[status] += 1
            if is_good:
                self._latencies.append(now - due)
            else:
                self.errors["wrong" if is_2xx else "non-2xx"] += 1

    def other(self, due: float, status: int, body: bytes) -> None:
        """An answer that is not the expected one, in its own words."""
        name = f"{status} {body[:OTHER_BYTES].decode(errors='replace')}"
        if self.window.holds(due):
            self.others[name if name in self.others or len(self.others) < OTHERS else "more"] += 1

    def failure(self, due: float, kind: str) -> None:
        """`kind`: connect, reset, timeout, no HTTP or unsent."""
        if self.window.holds(due):
            self.requests += 1
            self.errors[kind] += 1

    @property
    def latencies_ms(self) -> npt.NDArray[np.float64]:
        """float64 [answers], of the 2xx answers."""
        return np.array(self._latencies, dtype=np.float64) * 1000

    def summary(self) -> dict[str, Any]:
        """Latencies in ms, rates per second; `latency_ms` and `histogram` are None where nothing was answered."""
        latencies = self.latencies_ms
        return {
            "requests": self.requests,
            "answered_in_window": self.answered,
            "achieved_rate": self.answered / self.window.seconds,
            "latency_ms": percentiles(latencies),
            "lag_ms": percentiles(np.array(self._lags, dtype=np.float64) * 1000),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "errors": dict(sorted(self.errors.items())),
            "histogram": histogram(latencies),
        }


def percentiles(values: npt.NDArray[np.float64]) -> dict[str, float] | None:
    if not len(values):
        return None
    found = dict(zip(PERCENTILES, np.percentile(values, list(PERCENTILES.values()))))
    found.update(max=values.max(), mean=values.mean())
    return {name: round(float(value), 4) for name, value in found.items()}


def histogram(values: npt.NDArray[np.float64]) -> dict[str, list[float]] | None:
    """`edges_ms`: [101] evenly spaced in the logarithm over what was found, `counts`: [100]."""
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    edges = np.geomspace(low, max(high, low * 1.01), BUCKETS + 1)
    counts, _ = np.histogram(values, edges)
    return {"edges_ms": [round(float(edge), 5) for edge in edges], "counts": counts.tolist()}
