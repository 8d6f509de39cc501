"""Predicts several replicas behind the edge by the simulation of one benched replica."""

from __future__ import annotations

from dataclasses import dataclass

from stackcli.plan.queueing import Replica, closed_loop, open_loop

CONNECTIONS = 64  # of each replica
LOAD = 0.7  # of the predicted best rate, for the latencies


@dataclass(frozen=True)
class Prediction:
    """Requests/s of a closed loop; p50 and p99 in ms under LOAD of that, sent as evenly as the load generator does."""

    replicas: int
    rate: float
    p50_ms: float
    p99_ms: float


def best_rate(replica: Replica, replicas: int) -> float:
    return closed_loop(replica, CONNECTIONS * replicas, replicas).rate


def open_rate(replica: Replica, replicas: int) -> float:
    """Rounds to three significant digits."""
    return float(f"{LOAD * best_rate(replica, replicas):.3g}")


def predict(replica: Replica, replicas: int) -> Prediction:
    opened = open_loop(replica, open_rate(replica, replicas), replicas, "even")
    return Prediction(replicas, best_rate(replica, replicas), opened.percentile(50), opened.percentile(99))
