"""Reads every TorchServe's series, at most once a second while clients ask for metrics, else every ten seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from supervisor.numbers import Reading, Replica, read_exposition
from supervisor.torchserves import ask_each, get

PORT = 8082
# Minimum time between two scrapes; time between the first two of a series; how far back rates reach.
MIN_SECONDS, FIRST_SECONDS, WINDOW_SECONDS = 1.0, 2.0, 10.0
# Time limit for one TorchServe's complete answer.
ANSWER_SECONDS = 2.0

Readings = Mapping[str, Optional[Reading]]  # by instance; None: it did not answer


@dataclass(frozen=True)
class Scrape:
    """The readings of all TorchServes at one time."""

    at: float
    readings: Readings


class Scraper:
    """Keeps the scrapes of the last seconds; one caller at a time scrapes, and the others share its result."""

    def __init__(
        self,
        scrape: Callable[[], Readings],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scrape, self._clock, self._pause = scrape, clock, pause
        self._lock = threading.Lock()
        self._past: deque[Scrape] = deque()

    def start(self) -> None:
        """Scrapes now and then in the background, so that the first client need not wait for a second reading."""
        threading.Thread(target=self._look_on, daemon=True).start()

    def _look_on(self) -> None:
        while True:
            with self._lock:
                self._look()
            self._pause(WINDOW_SECONDS)

    def replicas(self) -> list[Replica]:
        """Returns each TorchServe's current reading and its oldest one of the last seconds."""
        with self._lock:
            self._look()
            if self._are_new():
                self._pause(FIRST_SECONDS)
                self._look()
            *earlier, now = self._past
            return [
                Replica(instance, _first(earlier, instance), reading)
                for instance, reading in sorted(now.readings.items())
            ]

    def _are_new(self) -> bool:
        """Whether TorchServes answer now, but none did in the last seconds, so that there are no rates yet."""
        *earlier, now = self._past
        answering = [instance for instance, reading in now.readings.items() if reading]
        return bool(answering) and not any(_first(earlier, instance) for instance in answering)

    def _look(self) -> None:
        """Scrapes, unless the last scrape is too recent."""
        now = self._clock()
        if self._past and now - self._past[-1].at < MIN_SECONDS:
            return
        # One interval more, so that a client polling every 2 s still gets a full 10 s window.
        while self._past and now - self._past[0].at > WINDOW_SECONDS + MIN_SECONDS:
            self._past.popleft()
        self._past.append(Scrape(now, self._scrape()))


def _first(scrapes: Sequence[Scrape], instance: str) -> Reading | None:
    return next((found for scrape in scrapes if (found := scrape.readings.get(instance))), None)


def scrape_torchserves(name: str, max_replicas: int) -> Readings:
    """Reads all TorchServes concurrently."""
    return {
        f"{address}:{PORT}": reading
        for address, reading in ask_each(name, max_replicas, lambda address: read_torchserve(address, PORT)).items()
    }


def read_torchserve(address: str, port: int, seconds: float = ANSWER_SECONDS) -> Reading | None:
    """Returns None if no complete answer came in time, or if it is not in Prometheus' text format."""
    answer = get(address, port, "/metrics", seconds)
    try:
        if answer is None or answer.status != 200:
            return None
        return Reading(answer.at, read_exposition(answer.body.decode("utf-8")))
    except (ValueError, LookupError):
        return None
