"""Runs of the load generator as it would report them."""

from typing import Any

from stackcli.bench.load import Memory, Run


def made_run(connections: int | None = None, rate: float | None = None, **changes: Any) -> Run:
    values: dict[str, Any] = {
        "mode": "open" if rate else "closed",
        "connections": connections or 3,
        "offered_rate": rate,
        "achieved_rate": rate or 100.0 * (connections or 0),
        "seconds": 15.0,
        "warmup": 2.0,
        "requests": 1500,
        "latency_ms": {"p50": 1.0, "p90": 2.0, "p99": 3.0, "p99.9": 4.0, "max": 5.0, "mean": 1.2},
        "histogram": None,
        "statuses": {"200": 1500},
        "errors": {},
        "lag_ms": None,
        "generator_cpu": 0.1,
        "generator_limited": False,
        "cpu_ms": 0.5,
        "memory_before": Memory(800 << 20, 700 << 20),
        "memory_after": Memory(810 << 20, 710 << 20),
    }
    return Run(**{**values, **changes})
