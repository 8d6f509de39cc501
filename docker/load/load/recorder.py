"""Records what happened to each request, and summarises it at the end in one JSON object."""

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
# For unexpected answers: enough to tell them apart, but few enough that random ones do not fill the memory.
MAX_OTHER_BYTES, MAX_OTHERS = 200, 20


@dataclass(frozen=True)
class Window:
    """The time of a run, in seconds of time.monotonic(): load from `begin`, measurement from `start` to `end`."""

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
    """Counts a request if it was due in the window; the achieved rate counts answers that arrived in the window."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.requests = 0  # due in the window
        self.answered = 0  # 2xx that arrived in the window, whenever they were due
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self._latencies = array("d")  # seconds from due to answered; 2xx only
        self._lags = array("d")  # seconds from due to noticed

    def lag(self, due: float, now: float) -> None:
        """Records when the generator noticed a due request; any delay after that is due to the server."""
        if self.window.holds(due):
            self._lags.append(now - due)

    def answer(self, due: float, now: float, status: int, is_expected: bool = True) -> None:
        """Records an answer; a 2xx with an unexpected body (`is_expected` is false) counts as the error "wrong"."""
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
        """Records the text of an unexpected answer."""
        name = f"{status} {body[:MAX_OTHER_BYTES].decode(errors='replace')}"
        if self.window.holds(due):
            self.others[name if name in self.others or len(self.others) < MAX_OTHERS else "more"] += 1

    def failure(self, due: float, kind: str) -> None:
        """Records a failure; `kind`: connect, reset, timeout, no HTTP or unsent."""
        if self.window.holds(due):
            self.requests += 1
            self.errors[kind] += 1

    @property
    def latencies_ms(self) -> npt.NDArray[np.float64]:
        """The latencies of the 2xx answers: float64 [answers]."""
        return np.array(self._latencies, dtype=np.float64) * 1000

    def summary(self) -> dict[str, Any]:
        """Returns latencies in ms and rates per second; `latency_ms` and `histogram` are None without any answers."""
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
    """Returns `edges_ms`, [101], evenly spaced on a logarithmic scale, and `counts`, [100]; None without values."""
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    edges = np.geomspace(low, max(high, low * 1.01), BUCKETS + 1)
    counts, _ = np.histogram(values, edges)
    return {"edges_ms": [round(float(edge), 5) for edge in edges], "counts": counts.tolist()}
