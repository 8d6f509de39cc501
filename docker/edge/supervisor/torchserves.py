"""Sends the same request to every TorchServe behind the edge, concurrently.

One that is slow or down delays the caller by its time limit and is left out; the edge keeps routing meanwhile.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

MAX_BYTES = 8 << 20  # of one answer
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A complete answer; `at`: when it was complete, in seconds of a monotonic clock."""

    status: int
    body: bytes
    at: float


def ask_each(name: str, max_replicas: int, ask: Callable[[str], T]) -> dict[str, T]:
    """Returns what `ask` returns for each of the name's DNS addresses, by address; empty if DNS has none."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return {}
    addresses = sorted({str(address[0]) for *_, address in found})[:max_replicas]
    with ThreadPoolExecutor(max_replicas) as askers:
        return dict(zip(addresses, askers.map(ask, addresses)))


def get(address: str, port: int, path: str, seconds: float) -> Answer | None:
    """Returns None if no complete answer came in time."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    began = time.monotonic()
    try:
        connection.connect()
        # The socket's timeout applies to each read, so a deadline cuts off an answer that trickles in.
        deadline = threading.Timer(seconds, connection.sock.shutdown, [socket.SHUT_RDWR])
        deadline.daemon = True
        deadline.start()
        try:
            connection.request("GET", path, headers={"Host": "torchserve"})
            answer = connection.getresponse()
            body = answer.read(MAX_BYTES)
        finally:
            deadline.cancel()
        at = time.monotonic()
        # http.client takes an answer with a truncated head for a complete one.
        is_whole = answer.isclosed() and at - began < seconds
        return Answer(answer.status, body, at) if is_whole else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
