"""Asks every TorchServe behind the edge the same question, all of them at once.

One that is slow or dead costs the caller a moment and is left out; the edge routes on meanwhile.
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
    """A whole answer; `at`: when it was complete, in seconds of a clock that only runs forward."""

    status: int
    body: bytes
    at: float


def ask_each(name: str, max_replicas: int, ask: Callable[[str], T]) -> dict[str, T]:
    """What `ask` returns for each address that DNS has under the name, by address; empty where DNS has none."""
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return {}
    addresses = sorted({str(address[0]) for *_, address in found})[:max_replicas]
    with ThreadPoolExecutor(max_replicas) as askers:
        return dict(zip(addresses, askers.map(ask, addresses)))


def get(address: str, port: int, path: str, seconds: float) -> Answer | None:
    """Returns None where no whole answer came in time."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    began = time.monotonic()
    try:
        connection.connect()
        # The timeout is for each part of an answer: one that comes byte by byte is cut off all the same.
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
        # http.client takes an answer whose head was cut off for a whole one.
        is_whole = answer.isclosed() and at - began < seconds
        return Answer(answer.status, body, at) if is_whole else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
