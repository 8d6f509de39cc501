"""The output of one TorchServe's :8082/metrics, as far as the edge reads it."""

from __future__ import annotations

from collections.abc import Mapping

LABELS = {"engine": "openvino", "precision": "f32", "weights": "train", "trained": "true", "accuracy": "0.9910"}
BOUNDS = ("0.001", "0.002", "0.005", "+Inf")


def exposition(
    requests: Mapping[str, float] = {},
    buckets: tuple[float, ...] = (0, 0, 0, 0),
    name: str = "mnist",
    version: str = "1.0",
    **labels: str,
) -> str:
    """Returns one model's series. requests: {outcome: number}; buckets: the number up to each of BOUNDS, in seconds."""
    model = f'model="{name}",version="{version}"'
    info = ",".join(f'{key}="{value}"' for key, value in {**LABELS, **labels}.items())
    lines = ["# HELP model_requests_total Answered.", "# TYPE model_requests_total counter"]
    lines += [
        f'model_requests_total{{{model},outcome="{outcome}",protocol="http"}} {count}'
        for outcome, count in requests.items()
    ]
    lines += ['model_requests_total{model="-",version="-",outcome="4xx",protocol="http"} 99.0']
    lines += ["# TYPE model_request_duration_seconds histogram"]
    lines += [
        f'model_request_duration_seconds_bucket{{{model},le="{bound}"}} {count}'
        for bound, count in zip(BOUNDS, buckets)
    ]
    lines += [
        f'model_stage_duration_seconds_bucket{{{model},stage="queue",le="+Inf"}} 7.0',
        f"model_requests_in_flight{{{model}}} 3.0",
        f"model_queue_depth{{{model}}} 2.0",
        f"model_queue_capacity{{{model}}} 1000.0",
        f'model_workers{{{model},state="ready"}} 2.0',
        f'model_workers{{{model},state="starting"}} 1.0',
        f'model_workers{{{model},state="failed"}} 0.0',
        f"model_worker_restarts_total{{{model}}} 4.0",
        f'model_worker_memory_bytes{{{model},worker="9000"}} 1.5E8',
        f'model_worker_memory_bytes{{{model},worker="9001"}} 5.0E7',
        f'model_info{{{model},{info},sha256="ab"}} 1.0',
        "container_memory_bytes 1.0E9",
        "container_memory_limit_bytes 4.0E9",
        "container_cpu_seconds_total 12.5",
        "",
    ]
    return "\n".join(lines)
