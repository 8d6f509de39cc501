"""Watches Alertmanager's API and records when each alert appeared and disappeared."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests

from integration.support.stack import new_session

PAUSE_S = 0.25

Labels = Mapping[str, str]


@dataclass
class Sighting:
    """Moments of time.monotonic(); None: not yet."""

    labels: Labels
    fired: float | None = None
    gone: float | None = None


class AlertWatch:
    """Asks `url` (Alertmanager's) four times a second for the alerts of `wanted`, in a separate thread."""

    def __init__(self, url: str, wanted: Mapping[str, Labels]) -> None:
        self.seen = {name: Sighting({"alertname": name, **labels}) for name, labels in wanted.items()}
        self._url, self._over = f"{url}/api/v2/alerts", threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "AlertWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with new_session() as session:
            while not self._over.wait(PAUSE_S):
                try:
                    active = [alert["labels"] for alert in session.get(self._url, timeout=5).json()]
                except requests.RequestException:
                    continue
                self._note(active)

    def _note(self, active: list[Labels]) -> None:
        now = time.monotonic()
        for sighting in self.seen.values():
            is_active = any(sighting.labels.items() <= labels.items() for labels in active)
            if is_active:
                sighting.fired, sighting.gone = sighting.fired or now, None
            elif sighting.fired and sighting.gone is None:
                sighting.gone = now

    def silent(self) -> list[str]:
        return [name for name, sighting in self.seen.items() if sighting.fired is None]

    def active(self) -> list[str]:
        return [name for name, sighting in self.seen.items() if sighting.fired and sighting.gone is None]
