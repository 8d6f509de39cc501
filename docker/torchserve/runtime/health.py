"""Checks the health of the served models; the entrypoint publishes the verdict (state.py, healthcheck.sh).

Healthy means that every model to be served has a worker and that all its workers are READY. /ping does not tell: it
answers Healthy even with no model loaded, with a crash-looping worker or with a corrupt archive.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Callable

from contract.served import State
from runtime import state
from runtime.manifest import Model

MANAGEMENT = "http://127.0.0.1:8081"
# A healthy TorchServe answers within milliseconds, or within a second on a busy machine.
TIMEOUT_SECONDS = 2

Versions = list[dict[str, Any]]


def open_management(path: str) -> Any:
    """Sends a GET to the management API and returns the response. Raises OSError (HTTPError for an error status)."""
    return urllib.request.urlopen(MANAGEMENT + path, timeout=TIMEOUT_SECONDS)  # noqa: S310


def describe(name: str) -> Versions:
    """Returns all versions of a model with their workers; empty if TorchServe does not know the model."""
    try:
        with open_management(f"/models/{name}/all") as response:
            versions: Versions = json.load(response)
            return versions
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise


def judge(models: Sequence[Model], describe_model: Callable[[str], Versions]) -> tuple[bool, str]:
    """Returns whether the models are healthy, and a line that says so or names the problems."""
    served = [model for model in models if model.state is State.SERVED]
    answers = {name: describe_model(name) for name in {model.name for model in served}}
    good: list[str] = []
    bad = [f"{model.label}: {model.state.value}, not served" for model in models if model.is_fault]
    for model in served:
        label = model.label + ("" if model.trained else " UNTRAINED")
        versions = [v for v in answers[model.name] if v.get("modelVersion") == model.version]
        workers = versions[0].get("workers", []) if versions else []
        ready = sum(worker.get("status") == "READY" for worker in workers)
        if not versions:
            bad.append(f"{label}: not loaded")
        elif not workers:
            bad.append(f"{label}: no workers")
        elif ready < len(workers):
            bad.append(f"{label}: {ready} of {len(workers)} workers READY")
        else:
            good.append(f"{label} ({ready} worker{'s' if ready > 1 else ''})")
    if bad or not good:
        return False, "unhealthy: " + ("; ".join(bad) or "no model is served")
    return True, "healthy: " + ", ".join(good)


def check() -> tuple[bool, str]:
    """Returns the current verdict on the models chosen at start, as changed by releases since."""
    try:
        return judge(state.read_chosen(), describe)
    except (OSError, ValueError) as error:
        return False, f"unhealthy: TorchServe does not answer on {MANAGEMENT}: {error}"
