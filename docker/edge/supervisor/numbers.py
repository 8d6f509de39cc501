"""The numbers of `/playground/metrics.json`: what two readings of TorchServe's series say together.

Rates and quantiles are of what happened between the two; what counts now (workers, queues, memory) is of the second.
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
# Only these are parsed, a fifth of all series.
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
    """One TorchServe's series; `at`: seconds of a clock that only runs forward."""

    at: float
    series: Exposition


@dataclass(frozen=True)
class Replica:
    """One TorchServe; `after`: its series now, None where it does not answer; `before`: None where none were read."""

    instance: str
    before: Reading | None
    after: Reading | None

    @property
    def seconds(self) -> float:
        """Between the two readings; 0 where there are not two."""
        return self.after.at - self.before.at if self.before and self.after else 0.0

    def values(self, name: str, **labels: str) -> list[float]:
        """Of each series of that name that has these labels among its own, now."""
        return [value for _, value in _matching(self.after, name, labels)]

    def increases(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        """By how much each such counter has grown; one that was smaller than before began again at 0."""
        before = self.before.series.get(name, {}) if self.before else {}
        found = []
        for key, value in _matching(self.after, name, labels):
            grown = value - before.get(key, 0.0)
            found.append((dict(key), grown if grown >= 0 else value))
        return found


def read_exposition(text: str) -> Exposition:
    """The series named in READ, of Prometheus' text format. Raises ValueError."""
    lines = [line for line in text.splitlines() if line.startswith(READ)]
    series: dict[str, dict[Key, float]] = {}
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            series.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return series


def numbers(replicas: Sequence[Replica], shares: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """The whole answer. `shares`: percent of the unversioned requests by model and version, where the edge decides."""
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
    """As model_info has it; where the TorchServes differ, each word once."""
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
    """One that does not answer has no numbers, but is named."""
    memory, limit = (replica.values(f"container_memory_{name}") for name in ("bytes", "limit_bytes"))
    used = replica.increases("container_cpu_seconds_total") if replica.seconds else []
    return {
        "instance": replica.instance,
        "memory_bytes": int(memory[0]) if memory else None,
        "memory_limit_bytes": int(limit[0]) if limit else None,
        "cpu_cores": round(used[0][1] / replica.seconds, 3) if used else None,
    }


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """As Prometheus' histogram_quantile has it; None where nothing was observed.

    `buckets`: upper bound → observations up to it, math.inf among them. Within a bucket they are taken to lie evenly;
    of those beyond the last finite bound nothing more is known than that bound.
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
    """Series of that name with these labels among their own; a request for no served model has model="-"."""
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
