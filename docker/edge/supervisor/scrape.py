"""Reads the series of every TorchServe, only while somebody asks for numbers, and at most once a second.

A TorchServe that is slow or dead costs who asked a moment, and nothing else: the edge routes on meanwhile.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional

from supervisor.numbers import Reading, Replica, read_exposition

PORT = 8082
# From one scrape to the next; from a first to the second, where there is no earlier one; as far back as it looks.
LEAST_SECONDS, FIRST_SECONDS, WINDOW_SECONDS = 1.0, 2.0, 10.0
# One TorchServe's whole answer.
ANSWER_SECONDS, MOST_BYTES = 2.0, 8 << 20

Readings = Mapping[str, Optional[Reading]]  # by instance; None: it did not answer


@dataclass(frozen=True)
class Scrape:
    """All TorchServes at one time."""

    at: float
    readings: Readings


class Scraper:
    """Remembers the last seconds' scrapes; one caller at a time scrapes, the others get what that one got."""

    def __init__(
        self,
        scrape: Callable[[], Readings],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._scrape, self._clock, self._pause = scrape, clock, pause
        self._lock = threading.Lock()
        self._past: deque[Scrape] = deque()

    def replicas(self) -> list[Replica]:
        """Each TorchServe as it is now, beside its oldest reading of the last seconds."""
        with self._lock:
            self._look()
            if len(self._past) < 2 and any(self._past[-1].readings.values()):
                self._pause(FIRST_SECONDS)
                self._look()
            *earlier, now = self._past
            return [
                Replica(instance, _first(earlier, instance), reading)
                for instance, reading in sorted(now.readings.items())
            ]

    def _look(self) -> None:
        """Scrapes, if the last time is long enough ago."""
        now = self._clock()
        if self._past and now - self._past[-1].at < LEAST_SECONDS:
            return
        # A little more, so that who asks every two seconds has ten.
        while self._past and now - self._past[0].at > WINDOW_SECONDS + LEAST_SECONDS:
            self._past.popleft()
        self._past.append(Scrape(now, self._scrape()))


def _first(scrapes: Sequence[Scrape], instance: str) -> Reading | None:
    return next((found for scrape in scrapes if (found := scrape.readings.get(instance))), None)


def scrape_torchserves(name: str, most: int) -> Readings:
    """Those that DNS has under the name, `most` of them, at the same time."""
    try:
        found = socket.getaddrinfo(name, PORT, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return {}
    addresses = sorted({str(address[0]) for *_, address in found})[:most]
    with ThreadPoolExecutor(most) as readers:
        readings = readers.map(lambda address: read_torchserve(address, PORT), addresses)
        return {f"{address}:{PORT}": reading for address, reading in zip(addresses, readings)}


def read_torchserve(address: str, port: int, seconds: float = ANSWER_SECONDS) -> Reading | None:
    """None where no whole answer came in time, or one that is none."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    began = time.monotonic()
    try:
        connection.connect()
        # The timeout is for each part of an answer: one that comes byte by byte is cut off all the same.
        deadline = threading.Timer(seconds, connection.sock.shutdown, [socket.SHUT_RDWR])
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("GET", "/metrics", headers={"Host": "torchserve"})
            answer = connection.getresponse()
            body = answer.read(MOST_BYTES)
        finally:
            deadline.cancel()
        at = time.monotonic()
        # http.client takes an answer that was cut off in its head for a whole one.
        is_whole = answer.status == 200 and answer.isclosed() and at - began < seconds
        return Reading(at, read_exposition(body.decode("utf-8"))) if is_whole else None
    except (OSError, http.client.HTTPException, ValueError, LookupError):
        return None
    finally:
        connection.close()
