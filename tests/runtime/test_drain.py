"""A stop waits for requests in flight, as the kernel sees them on real connections, and for nothing else."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import pytest

from runtime.connections import Connection, established, in_flight, workers_busy
from runtime.drain import wait_until_quiet

Pair = tuple[socket.socket, socket.socket, int]
# A kernel without IPv6 has no such connections to count.
LOOPBACKS = ["127.0.0.1", "::1"] if Path("/proc/net/if_inet6").exists() else ["127.0.0.1"]


@contextmanager
def connected(host: str) -> Iterator[Pair]:
    """A client and a server end of one TCP connection, and the server's port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection((host, port)) as client:
            server, _ = listener.accept()
            with server:
                yield client, server, port


@pytest.fixture(params=LOOPBACKS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with connected(request.param) as ends:
        yield ends


def count(port: int, busy: Optional[bool] = False) -> int:
    return in_flight(established([port]), busy)


def answer(client: socket.socket, server: socket.socket) -> None:
    client.sendall(b"request")
    server.recv(100)
    time.sleep(0.03)  # longer than a tick of the kernel's clock
    server.sendall(b"answer")
    client.recv(100)


def test_a_connection_without_a_request_is_idle(pair: Pair) -> None:
    assert len(established([pair[2]])) == 1
    assert count(pair[2]) == 0


def test_a_request_is_in_flight_from_its_arrival_until_its_answer(pair: Pair) -> None:
    client, server, port = pair
    client.sendall(b"request")
    assert count(port) == 1, "not yet read by the server"
    server.recv(100)
    time.sleep(0.03)
    assert count(port) == 1, "being computed"
    server.sendall(b"answer")
    client.recv(100)
    assert count(port) == 0, "answered, and the connection kept alive"


def test_the_next_request_on_a_kept_alive_connection_is_in_flight_again(pair: Pair) -> None:
    client, server, port = pair
    answer(client, server)
    time.sleep(0.03)
    client.sendall(b"request")
    server.recv(100)
    time.sleep(0.03)
    assert count(port) == 1


def test_a_request_that_follows_an_answer_within_one_tick_is_in_flight_while_a_worker_is_busy(pair: Pair) -> None:
    client, server, port = pair
    client.sendall(b"request")
    server.recv(100)
    server.sendall(b"answer")
    client.sendall(b"request")
    server.recv(100)
    time.sleep(1.2)
    assert count(port, busy=True) == 1
    assert count(port, busy=None) == 1, "where the workers cannot be seen it has the benefit of the doubt"


def test_an_answer_the_client_has_not_taken_is_in_flight() -> None:
    stuck = Connection(port=1, sent_ms=0, received_ms=50, received_bytes=10, queued_bytes=70_000)
    assert in_flight([stuck], False) == 1


def test_a_streamed_answer_is_in_flight_until_its_worker_rests() -> None:
    streaming = Connection(port=1, sent_ms=10, received_ms=3000, received_bytes=10, queued_bytes=0)
    assert [in_flight([streaming], busy) for busy in (True, False)] == [1, 0]


def test_other_ports_do_not_count(pair: Pair) -> None:
    client, _server, port = pair
    client.sendall(b"request")
    assert established([port + 1]) == []


def process(proc: Path, pid: int, command: str, wchan: str) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_text(command.replace(" ", "\0"))
    (folder / "wchan").write_text(wchan)


@pytest.mark.parametrize(
    ("worker", "busy"), [("unix_stream_read_generic", False), ("0", True), ("hrtimer_nanosleep", True)]
)
def test_a_worker_is_busy_unless_it_waits_on_its_socket(tmp_path: Path, worker: str, busy: bool) -> None:
    process(tmp_path, 7, "java", "futex_do_wait")
    process(tmp_path, 8, "python ts/model_service_worker.py --sock-type unix", worker)
    process(tmp_path, 9, "sh /opt/stack/runtime/healthcheck.sh", "0")
    assert workers_busy(7, tmp_path) is busy


def test_a_kernel_that_hides_wchan_says_nothing_about_workers(tmp_path: Path) -> None:
    process(tmp_path, 7, "java", "0")
    assert workers_busy(7, tmp_path) is None


def drain(counts: list[Optional[int]], seconds: float = 5, stop_at: int = 10_000) -> tuple[str, float]:
    """Runs the wait against these counts (the last one repeats); the second signal comes after `stop_at` pauses."""
    pauses = 0

    def interrupted(pause: float) -> bool:
        nonlocal pauses
        pauses += 1
        time.sleep(pause)
        return pauses >= stop_at

    started = time.monotonic()
    outcome = wait_until_quiet(lambda: counts.pop(0) if len(counts) > 1 else counts[0], seconds, interrupted)
    return outcome, time.monotonic() - started


def test_an_idle_server_stops_at_once() -> None:
    outcome, took = drain([0])
    assert "nothing in flight" in outcome
    assert took < 0.5


def test_requests_are_waited_for_and_counted() -> None:
    assert "most at once: 3" in drain([1, 3, 0, 2, 0])[0]


def test_the_wait_ends_when_its_seconds_are_over() -> None:
    outcome, took = drain([2], seconds=0.3)
    assert "2 requests in flight; they are lost" in outcome
    assert took == pytest.approx(0.3, abs=0.2)


def test_a_second_signal_ends_the_wait() -> None:
    assert "told to stop now with 1 requests" in drain([1], stop_at=2)[0]


def test_where_the_kernel_does_not_tell_the_whole_time_is_waited() -> None:
    outcome, took = drain([None], seconds=0.3)
    assert "unknown number of requests" in outcome
    assert took >= 0.3


def test_a_slow_answer_over_a_real_connection_is_waited_for() -> None:
    with connected("127.0.0.1") as (client, server, port):
        client.sendall(b"request")
        server.recv(100)
        threading.Timer(0.5, server.sendall, [b"answer"]).start()
        started = time.monotonic()
        wait_until_quiet(lambda: count(port), 5, lambda pause: bool(time.sleep(pause)))
        assert 0.5 <= time.monotonic() - started < 1.5
        assert client.recv(100) == b"answer"
