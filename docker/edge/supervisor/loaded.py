"""Finds out which versions the TorchServes behind the edge have loaded, because it must not route to any others.

The manifest and releases.json say what should be served. TorchServe may have loaded less: it leaves out a damaged
archive, and one of several replicas may lag a release behind.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from supervisor.torchserves import get

PORT = 8080
PATH = "/ready"
LOOK_SECONDS, ANSWER_SECONDS = 1.0, 1.0

Versions = Mapping[str, frozenset[str]]  # by the model's name


@dataclass(frozen=True)
class Report:
    """What one TorchServe reports about itself."""

    is_ready: bool
    versions: Versions


class LoadedVersions:
    """Polls once a second in the background; while no TorchServe answers, the last known versions count."""

    def __init__(self, ask: Callable[[], Iterable[Report | None]]) -> None:
        self._ask = ask
        self._versions: Versions | None = None
        # Polls are numbered: the last one begun, the last one ended, and the one that a caller waits for.
        self._begun = self._ended = self._wanted = 0
        self._condition = threading.Condition()

    @property
    def versions(self) -> Versions | None:
        """The versions that every TorchServe has; None until one has answered."""
        return self._versions

    def start(self) -> None:
        threading.Thread(target=self._look_on, daemon=True).start()

    def look_now(self, seconds: float) -> None:
        """Waits at most `seconds` for a poll that begins after this call."""
        with self._condition:
            wanted = self._wanted = self._begun + 1
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._ended >= wanted, seconds)

    def look(self) -> None:
        """Asks every TorchServe once."""
        with self._condition:
            self._begun += 1
        found = common_versions(self._ask())
        with self._condition:
            if found is not None:
                self._versions = found
            self._ended = self._begun
            self._condition.notify_all()

    def _look_on(self) -> None:
        while True:
            self.look()
            with self._condition:
                self._condition.wait_for(lambda: self._wanted > self._begun, LOOK_SECONDS)


def common_versions(reports: Iterable[Report | None]) -> Versions | None:
    """Returns the versions that are in every report that counts, or None if no report counts.

    Reports from TorchServes that are not ready count only if none is ready, and empty reports never count, so that a
    starting replica does not take versions away from the others.
    """
    told = [report for report in reports if report and report.versions]
    counted = [report for report in told if report.is_ready] or told
    if not counted:
        return None
    names = {name for report in counted for name in report.versions}
    common = {
        name: frozenset.intersection(*(report.versions.get(name, frozenset()) for report in counted)) for name in names
    }
    return {name: versions for name, versions in common.items() if versions}


def read_report(address: str, port: int = PORT, seconds: float = ANSWER_SECONDS) -> Report | None:
    """Returns None if the TorchServe at `address` does not answer in time or does not list its models."""
    answer = get(address, port, PATH, seconds)
    try:
        content = json.loads(answer.body) if answer else {}
        versions = {name: frozenset(map(str, model["versions"])) for name, model in content["models"].items()}
        return Report(content["ready"] is True, versions)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
