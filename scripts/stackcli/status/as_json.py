"""`scripts/stack status --json`: makes the JSON object that docs/reference/status-json.md describes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from stackcli.common.errors import StackError
from stackcli.project.settings import Settings
from stackcli.status.metrics import ModelMetrics
from stackcli.status.read import Serving
from stackcli.store.manifest import Model, label_of

EMPTY: Mapping[str, Any] = {
    "schema": 1,
    "time": "",
    "stack": None,
    "healthy": False,
    "services": {},
    "seconds": None,
    "models": [],
    "torchserve": [],
    "warnings": [],
}
# For a version without metrics.
UNKNOWN = dict.fromkeys(
    ("share", "rate", "p50_ms", "p99_ms", "in_flight", "queue", "queue_capacity", "workers", "restarts", "memory_bytes")
)


def described_stack(serving: Serving, settings: Settings) -> dict[str, Any]:
    """Describes the stack; the keys are always the same, and what is unknown is null."""
    metrics = serving.metrics
    services = {"torchserve": serving.health, "edge": serving.edge}
    return {
        **EMPTY,
        "time": now(),
        "stack": settings.compose_project_name,
        "healthy": serving.is_healthy,
        "services": {name: {"health": health, "detail": line} for name, (health, line) in services.items()},
        "seconds": metrics.seconds if metrics else None,
        "models": [described(serving, model, state) for model, state in serving.models],
        "torchserve": [server.model_dump() for server in metrics.torchserve] if metrics else [],
        "warnings": serving.warnings(settings),
    }


def described_failure(failure: StackError) -> dict[str, Any]:
    """Describes a stack whose state cannot be read."""
    return {**EMPTY, "time": now(), "warnings": [f"FAIL: {failure}"]}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def described(serving: Serving, model: Model, state: str) -> dict[str, Any]:
    found = serving.metrics.of(model.name, model.version) if serving.metrics else None
    tuned = serving.tuned.get(label_of(model))
    return {
        "name": model.name,
        "version": model.version,
        "state": state,
        "candidate": model.candidate,
        "reason": model.reason or None,
        "remedy": model.remedy or None,
        "engine": (found.engine if found else model.engine) or None,
        "precision": (found.precision if found else model.precision) or None,
        "weights": model.weights.origin or None,
        "trained": model.trained if model.is_available else None,
        "accuracy": model.accuracy.top1 if model.accuracy else None,
        "accuracy_images": model.accuracy.images if model.accuracy else None,
        "tuned": tuned.goal if tuned and model.is_available else None,
        **(at_work(found) if found else UNKNOWN),
    }


def at_work(found: ModelMetrics) -> dict[str, Any]:
    return {key: value for key, value in found.model_dump(by_alias=True).items() if key in UNKNOWN}
