"""Each toxic of the tests' TCP proxy does to a connection what toxiproxy's of that name does."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from integration.support.load.tcp_proxy import TOXICS, TcpProxy, Toxic, tcp_proxy

DEADLINE_S = 10
MESSAGE = bytes(range(256)) * 8


class Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, and closes when the client does."""

    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


@pytest.fixture(scope="module")
def echo_address() -> Iterator[tuple[str, int]]:
    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignores errors, because the tests make the proxy reset connections."""

    with Server(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()


@pytest.fixture
def proxy(echo_address: tuple[str, int]) -> Iterator[TcpProxy]:
    with tcp_proxy(echo_address) as running:
        yield running


def connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=DEADLINE_S)


def exchange(client: socket.socket, message: bytes = MESSAGE) -> tuple[bytes, float, int]:
    """Returns what comes back, after how many seconds, and in how many pieces."""
    began = time.monotonic()
    client.sendall(message)
    received, pieces = b"", 0
    while len(received) < len(message) and (piece := client.recv(1 << 16)):
        received, pieces = received + piece, pieces + 1
    return received, time.monotonic() - began, pieces


def test_without_toxics_everything_goes_through(proxy: TcpProxy) -> None:
    with connect(proxy) as client:
        assert exchange(client)[0] == MESSAGE
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


def test_latency_delays_data(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("latency", attributes={"latency": 200, "jitter": 50})]
    with connect(proxy) as client:
        received, seconds, _ = exchange(client)
    assert received == MESSAGE
    assert seconds >= 0.15


def test_both_directions_have_toxics_of_their_own(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("latency", stream, {"latency": 100}) for stream in ("upstream", "downstream")]
    with connect(proxy) as client:
        assert exchange(client)[1] >= 0.2


def test_bandwidth_limits_the_rate(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("bandwidth", attributes={"rate": 10})]
    with connect(proxy) as client:
        received, seconds, _ = exchange(client)
    assert received == MESSAGE
    assert seconds >= len(MESSAGE) / 10_000 * 0.9


def test_slow_close_delays_the_end_alone(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("slow_close", attributes={"delay": 300})]
    with connect(proxy) as client:
        assert exchange(client)[0] == MESSAGE
        began = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        assert time.monotonic() - began >= 0.3


def test_timeout_passes_nothing_and_closes(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("timeout", attributes={"timeout": 200})]
    began = time.monotonic()  # the time counts from the connection on, not from what is sent
    with connect(proxy) as client:
        received, _, _ = exchange(client)
    assert received == b""
    assert time.monotonic() - began >= 0.2


def test_a_timeout_of_0_never_closes(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("timeout", attributes={"timeout": 0})]
    with connect(proxy) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            exchange(client)


def test_reset_peer_resets(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("reset_peer", attributes={"timeout": 100})]
    with connect(proxy) as client, pytest.raises(ConnectionResetError):
        exchange(client)


def test_slicer_cuts_data_into_pieces(proxy: TcpProxy) -> None:
    attributes = {"average_size": 256, "size_variation": 64, "delay": 5000}
    proxy.toxics = [Toxic("slicer", attributes=attributes)]
    with connect(proxy) as client:
        received, _, pieces = exchange(client)
    assert received == MESSAGE
    assert pieces > 3


def test_limit_data_closes_after_its_bytes(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("limit_data", attributes={"bytes": 100})]
    with connect(proxy) as client:
        assert exchange(client)[0] == MESSAGE[:100]


def test_toxicity_is_the_share_of_the_connections(proxy: TcpProxy) -> None:
    proxy.toxics = [Toxic("limit_data", attributes={"bytes": 1}, toxicity=0.5)]
    whole = 0
    for _ in range(40):
        with connect(proxy) as client:
            whole += exchange(client)[0] == MESSAGE
    assert 5 <= whole <= 35


def test_the_vocabulary_is_toxiproxys() -> None:
    assert set(TOXICS) == {"latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data"}
