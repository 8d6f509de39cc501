"""Computes the metrics in `/playground/metrics.json` from two readings of each TorchServe's series.

Rates and quantiles cover the time between the two; current values (workers, queues, memory) are from the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = Mapping[str, str]
Key = frozenset[tuple[str, str]]  # a series' labels
Exposition = Mapping[str, Mapping[Key, float]]  # series' name → labels → value

OUTCOMES, WORKER_STATES = ("2xx", "4xx", "5xx"), ("ready", "starting", "failed")
# Only these are parsed: a fifth of all series.
READ = (
    "model_requests_total",
    "model_request_duration_seconds_bucket",
    "model_requests_in_flight",
    "model_queue_depth",
    "model_queue_capacity",
    "model_workers",
    "model_worker_restarts_total",
    "model_worker_memory_bytes",
    "model_info",
    "container_memory_bytes",
    "container_memory_limit_bytes",
    "container_cpu_seconds_total",
)


@dataclass(frozen=True)
class Reading:
    """One TorchServe's series; `at`: when they were read, in seconds of a monotonic clock."""

    at: float
    series: Exposition


@dataclass(frozen=True)
class Replica:
    """One TorchServe; `after`: its series now, None if it does not answer; `before`: an earlier reading, if any."""

    instance: str
    before: Reading | None
    after: Reading | None

    @property
    def seconds(self) -> float:
        """The time between the two readings; 0 if there are not two."""
        return self.after.at - self.before.at if self.before and self.after else 0.0

    def values(self, name: str, **labels: str) -> list[float]:
        """Returns the current value of every series with that name and these labels (it may have more)."""
        return [value for _, value in _matching(self.after, name, labels)]

    def increases(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        """Returns the increase of every such counter; one that is smaller than before was reset to 0."""
        before = self.before.series.get(name, {}) if self.before else {}
        found = []
        for key, value in _matching(self.after, name, labels):
            grown = value - before.get(key, 0.0)
            found.append((dict(key), grown if grown >= 0 else value))
        return found


def read_exposition(text: str) -> Exposition:
    """Parses the series named in READ from Prometheus' text format. Raises ValueError."""
    lines = [line for line in text.splitlines() if line.startswith(READ)]
    series: dict[str, dict[Key, float]] = {}
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            series.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return series


def numbers(replicas: Sequence[Replica], shares: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Returns the document. `shares`: percent of unversioned requests by model and version, if the edge decides."""
    keys = {
        (labels["model"], labels["version"])
        for replica in replicas
        for key, _ in _matching(replica.after, "model_info", {})
        for labels in (dict(key),)
    }
    return {
        "seconds": round(max((replica.seconds for replica in replicas), default=0.0), 3),
        "models": [_model(replicas, name, version, shares.get((name, version))) for name, version in sorted(keys)],
        "torchserve": [_torchserve(replica) for replica in replicas],
    }


def _model(replicas: Sequence[Replica], name: str, version: str, share: float | None) -> dict[str, Any]:
    named = {"model": name, "version": version}
    pairs = [replica for replica in replicas if replica.seconds]
    buckets: dict[float, float] = {}
    for replica in pairs:
        for labels, grown in replica.increases("model_request_duration_seconds_bucket", **named):
            buckets[float(labels["le"])] = buckets.get(float(labels["le"]), 0.0) + grown

    def rate(outcome: str) -> float:
        return sum(
            grown / replica.seconds
            for replica in pairs
            for _, grown in replica.increases("model_requests_total", outcome=outcome, **named)
        )

    def now(series: str, **labels: str) -> int:
        return int(sum(value for replica in replicas for value in replica.values(series, **named, **labels)))

    return {
        "name": name,
        "version": version,
        "share": share,
        "rate": {outcome: round(rate(outcome), 3) for outcome in OUTCOMES} if pairs else None,
        "p50_ms": _milliseconds(quantile(0.5, buckets)),
        "p99_ms": _milliseconds(quantile(0.99, buckets)),
        "in_flight": now("model_requests_in_flight"),
        "queue": now("model_queue_depth"),
        "queue_capacity": now("model_queue_capacity"),
        "workers": {state: now("model_workers", state=state) for state in WORKER_STATES},
        "restarts": now("model_worker_restarts_total"),
        "memory_bytes": now("model_worker_memory_bytes"),
        **_info(replicas, named),
    }


def _info(replicas: Sequence[Replica], named: Labels) -> dict[str, Any]:
    """Returns the labels of model_info; where TorchServes differ, each value once, separated by commas."""
    found = [dict(key) for replica in replicas for key, _ in _matching(replica.after, "model_info", named)]
    words = {
        label: ", ".join(sorted({labels.get(label, "") for labels in found}))
        for label in ("engine", "precision", "weights", "accuracy")
    }
    return {
        **words,
        "trained": all(labels.get("trained") != "false" for labels in found),
        "accuracy": float(words["accuracy"]) if _is_number(words["accuracy"]) else None,
    }


def _torchserve(replica: Replica) -> dict[str, Any]:
    """Describes one TorchServe; one that does not answer is listed with None for all values."""
    memory, limit = (replica.values(f"container_memory_{name}") for name in ("bytes", "limit_bytes"))
    used = replica.increases("container_cpu_seconds_total") if replica.seconds else []
    return {
        "instance": replica.instance,
        "memory_bytes": int(memory[0]) if memory else None,
        "memory_limit_bytes": int(limit[0]) if limit else None,
        "cpu_cores": round(used[0][1] / replica.seconds, 3) if used else None,
    }


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Computes a quantile as Prometheus' histogram_quantile does; None if nothing was observed.

    `buckets`: upper bound → number of observations up to it, with math.inf among the bounds. Observations are taken to
    be evenly spread within a bucket; if the quantile is beyond the last finite bound, that bound is returned.
    """
    bounds = sorted(buckets)
    if len(bounds) < 2 or bounds[-1] != math.inf or buckets[math.inf] <= 0:
        return None
    rank = share * buckets[math.inf]
    lower, below = 0.0, 0.0
    for bound in bounds[:-1]:
        if buckets[bound] >= rank and buckets[bound] > below:
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return lower


def _matching(reading: Reading | None, name: str, labels: Labels) -> Iterable[tuple[Key, float]]:
    """Returns the series with that name and these labels, except model="-": requests for models not served."""
    if reading is None:
        return []
    asked = labels.items()
    found = reading.series.get(name, {}).items()
    return [(key, value) for key, value in found if asked <= key and ("model", "-") not in key]


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
