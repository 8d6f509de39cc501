"""`python -m runtime.health`: the container's HEALTHCHECK, one readable line and exit status 0 or 1.

Healthy means that every model of the manifest has a worker and all its workers are READY. /ping is no help here: it
says Healthy with no model loaded, with a crash-looping worker and with a corrupt archive.
"""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from runtime import state

MANAGEMENT = "http://127.0.0.1:8081"
# A healthy TorchServe answers in milliseconds, a busy machine's in a second.
TIMEOUT_SECONDS = 2

Versions = list[dict[str, Any]]


def describe(name: str) -> Versions:
    """All versions of a model with their workers, from the management API; [] where TorchServe does not know it."""
    try:
        url = f"{MANAGEMENT}/models/{name}/all"
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - always http
            versions: Versions = json.load(response)
            return versions
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise


def judge(
    served: Sequence[Mapping[str, Any]], corrupt: Sequence[str], describe_model: Callable[[str], Versions]
) -> tuple[bool, str]:
    """Whether all is well, and the line that says so or names what is not."""
    answers = {name: describe_model(name) for name in {str(m["name"]) for m in served}}
    good, bad = [], [f"{label}: corrupt, not served" for label in corrupt]
    for model in served:
        label = f"{model['name']} {model['version']}" + ("" if model.get("trained", True) else " UNTRAINED")
        versions = [v for v in answers[str(model["name"])] if v.get("modelVersion") == model["version"]]
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
    """The verdict on this container, now."""
    if state.is_draining():
        return False, "unhealthy: draining, TorchServe is about to stop"
    expected = state.read_expected()
    if expected is None:
        return False, "unhealthy: the entrypoint is still verifying the manifest"
    try:
        return judge(expected["served"], expected["corrupt"], describe)
    except (OSError, ValueError) as error:
        return False, f"unhealthy: TorchServe does not answer on {MANAGEMENT}: {error}"


def main() -> int:
    """Prints the verdict; 0 is healthy, as Docker wants it."""
    healthy, line = check()
    print(line)
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
