"""While real TorchServe stops, it accepts no new connections, and answers every request that it has accepted."""

import http.client
import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from front_end import wait_until
from toy import SECONDS, predict, serving


@contextmanager
def connection() -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", 8080, timeout=SECONDS)
    yield client
    client.close()


def test_a_stop_answers_what_is_in_flight_and_what_still_comes_on_open_connections(tmp_path: Path) -> None:
    computing = tmp_path / "computing"
    with serving(tmp_path) as java, connection() as idle, ThreadPoolExecutor(1) as clients:
        idle.request("POST", "/predictions/toy", b"before")
        before = idle.getresponse()
        assert (before.status, before.headers["Connection"]) == (200, "keep-alive")
        before.read()
        in_flight = clients.submit(predict, str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        java.terminate()
        wait_until(is_refused, "new connections to be refused")
        idle.request("POST", "/predictions/toy", b"after")
        computing.unlink()
        after = idle.getresponse()
        assert (after.status, after.headers["Connection"]) == (200, "close")
        assert json.load(after)["batch"] == 1
        assert in_flight.result()["batch"] == 1
        assert java.wait(SECONDS) == 128 + signal.SIGTERM


def is_refused() -> bool:
    try:
        socket.create_connection(("127.0.0.1", 8080), timeout=SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False
