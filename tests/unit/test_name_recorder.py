"""The tests' recorder of names passes questions and answers on, over UDP and TCP, and prints who asked for what."""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integration.support.observe import name_recorder

DEADLINE_S = 10
POLL_S = 0.01
QUESTION = bytes.fromhex("1234 0100 0001 0000 0000 0000") + b"\7Example\4test\0" + bytes.fromhex("0001 0001")
ANSWER = QUESTION[:2] + bytes.fromhex("8183") + QUESTION[4:]


class AboveUdp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        message, sock = self.request
        assert message == QUESTION
        sock.sendto(ANSWER, self.client_address)


class AboveTcp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert self.request.recv(512) == framed(QUESTION)
        self.request.sendall(framed(ANSWER))


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    """The recorder's ports, UDP and TCP; behind it is a name server that can answer one question."""
    with ExitStack() as running:

        def start(server: socketserver.BaseServer) -> tuple[str, int]:
            threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True).start()
            running.callback(server.server_close)
            running.callback(server.shutdown)
            address: Any = server.server_address
            return "127.0.0.1", address[1]

        anywhere = ("127.0.0.1", 0)
        udp = name_recorder.UdpServer(anywhere, start(socketserver.UDPServer(anywhere, AboveUdp)))
        tcp = name_recorder.TcpServer(anywhere, start(socketserver.TCPServer(anywhere, AboveTcp)))
        yield start(udp)[1], start(tcp)[1]


def test_an_answer_comes_back_and_the_name_is_printed(
    ports: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.sendto(QUESTION, ("127.0.0.1", ports[0]))
        assert client.recv(512) == ANSWER
    with socket.create_connection(("127.0.0.1", ports[1]), DEADLINE_S) as client, client.makefile("rb") as answer:
        client.sendall(framed(QUESTION))
        assert answer.read() == framed(ANSWER)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"client": "127.0.0.1", "name": "example.test"}] * 2
