"""The edge's health checks on :8404, for whatever keeps it running."""

from __future__ import annotations

import http.client
from typing import Callable

from supervisor import __main__ as supervisor
from supervisor.haproxy import HAProxy
from supervisor.render import CONFIG
from supervisor.settings import Settings


def status(path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", 8404, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_an_edge_without_a_torchserve_is_alive_and_not_healthy(settings: Callable[..., Settings]) -> None:
    made = settings()
    haproxy = HAProxy(made.run / CONFIG)
    supervisor.apply(made, haproxy)
    haproxy.start()
    try:
        assert (status("/alive"), status("/health"), status("/other")) == (200, 503, 404)
    finally:
        haproxy.stop(0)
