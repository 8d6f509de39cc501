"""What whoever keeps the edge running may ask of it, on :8404."""

from __future__ import annotations

import http.client
from typing import Callable

from edge import __main__ as edge
from edge.haproxy import HAProxy
from edge.render import CONFIG
from edge.settings import Settings


def status(path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", 8404, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_an_edge_without_a_torchserve_is_alive_and_not_healthy(settings: Callable[..., Settings]) -> None:
    made = settings()
    haproxy = HAProxy(made.run / CONFIG)
    edge.apply(made, haproxy)
    haproxy.start()
    try:
        assert (status("/alive"), status("/health"), status("/other")) == (200, 503, 404)
    finally:
        haproxy.stop(0)
