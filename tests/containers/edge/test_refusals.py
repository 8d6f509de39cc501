"""A refusal arrives complete, however much the client has yet to send, and attackers cannot make it expensive."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest
from http2 import Request

from conftest import settings_in, write_keys
from supervisor import __main__ as supervisor
from supervisor.haproxy import HAProxy
from supervisor.refused import start_reading
from supervisor.render import CONFIG

EDGE = ("127.0.0.1", 8000)
MAX_BYTES = 16 << 20
SHORT, LONG, TOO_LONG = bytes(200), bytes(4_000_000), bytes(MAX_BYTES + 1)
NO_KEY: Mapping[str, str] = {}
KEY, HURRIED_KEY = ({"authorization": f"Bearer {key}"} for key in ("a client's key", "an admin's key"))
REQUEST_SECONDS, MAX_RATE, FLOOD = 2, 100, 500
MAX_READ_AT_ONCE = 64
POST = "POST /predictions/m HTTP/1.1\r\nHost: edge\r\n"
pytestmark = pytest.mark.usefixtures("edge")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An edge that asks for keys, with no TorchServe behind it."""
    made = settings_in(tmp_path_factory.mktemp("edge"), keys=True, rate=MAX_RATE, request_seconds=REQUEST_SECONDS)
    write_keys(made.secrets)
    made.config.write_text(f"max_request_size={MAX_BYTES}\n")
    haproxy = HAProxy(made.run / CONFIG)
    supervisor.apply(made, haproxy)
    start_reading(made.run, made.request_seconds)
    haproxy.start()
    yield
    haproxy.stop(0)


def with_length(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    return {**headers, "content-length": str(len(body))}


def message_to(body: bytes, path: str, headers: Mapping[str, str], status: int) -> str:
    """Returns the refusal's message over HTTP/2, for a client that sends its body once the edge has read the head."""
    with Request(EDGE) as request:
        request.send_head(path, headers)
        request.wait_until_read()
        request.send_body(body)
        answer = request.wait_for_answer()
    assert (answer.is_whole, answer.reset) == (True, None)
    return message_of(answer.body, status)


def message_of(body: bytes, status: int) -> str:
    error = json.loads(body)
    assert error.keys() == {"code", "type", "message", "request_id"}, error
    assert error["code"] == status, error
    return str(error["message"])


@pytest.mark.parametrize("body", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/predictions/m", NO_KEY, 401),
        ("/models/m", KEY, 403),
        ("/nothing", KEY, 404),
        ("/models", KEY, 405),
    ],
)
def test_over_http_2_it_arrives_and_the_stream_is_not_reset(
    path: str, headers: Mapping[str, str], status: int, body: bytes
) -> None:
    assert message_to(body, path, with_length(headers, body), status)


def test_a_body_that_is_too_large_is_refused_by_the_length_that_its_head_gives() -> None:
    """The body is read even though, over HTTP/2, none of it has arrived when the edge decides."""
    message = message_to(TOO_LONG, "/predictions/m", with_length(KEY, TOO_LONG), 413)
    assert message == f"expected a body of at most {MAX_BYTES} bytes, found a larger one"


@pytest.mark.parametrize("body", [SHORT, LONG], ids=["short", "long"])
def test_it_arrives_although_the_body_does_not_say_how_long_it_is(body: bytes) -> None:
    assert message_to(body, "/predictions/m", NO_KEY, 401)


def test_it_arrives_over_http_2_although_the_client_wanted_to_be_told_to_continue() -> None:
    assert message_to(LONG, "/predictions/m", with_length({"expect": "100-continue"}, LONG), 401)


def test_a_client_that_asks_too_often_is_told_so_although_its_body_is_long() -> None:
    head = f"HEAD /nothing HTTP/1.1\r\nHost: edge\r\nAuthorization: {HURRIED_KEY['authorization']}\r\n\r\n"
    with socket.create_connection(EDGE, timeout=30) as connection, connection.makefile("rb") as answers:
        connection.sendall(head.encode() * FLOOD)
        for _ in range(FLOOD):
            while answers.readline() != b"\r\n":
                pass
    assert message_to(LONG, "/predictions/m", with_length(HURRIED_KEY, LONG), 429)


def test_it_is_logged_as_any_other_failure_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert message_to(LONG, "/predictions/m/1.0", with_length({"x-request-id": "r-1"}, LONG), 401)
    said, deadline = "", time.monotonic() + 10
    while '"request_id": "r-1"' not in said and time.monotonic() < deadline:
        said += capsys.readouterr().out
    (entry,) = (one for one in map(json.loads, said.splitlines()) if one["request_id"] == "r-1")
    assert (entry["status"], entry["server"], entry["end"]) == (401, "refused", "LH")
    assert (entry["model"], entry["version"], entry["routed"]) == ("-", "-", "-")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("body", [SHORT, LONG, TOO_LONG], ids=["short", "long", "too long"])
def test_over_http_1_it_arrives_and_the_connection_stays_open(body: bytes, is_chunked: bool) -> None:
    connection = http.client.HTTPConnection(*EDGE, timeout=30)
    for _ in range(2):
        connection.request("POST", "/predictions/m", iter([body]) if is_chunked else body, encode_chunked=is_chunked)
        answer = connection.getresponse()
        assert answer.status == 401
        assert message_of(answer.read(), 401)
    connection.close()


def read_answer(connection: socket.socket) -> bytes:
    """Reads up to the end of the error or of the connection."""
    received = b""
    while b'"request_id"' not in received and (part := connection.recv(1 << 16)):
        received += part
    return received


def answer_and_seconds(head: str, body: bytes = b"") -> tuple[bytes, float]:
    """Returns the answer to a client that sends this and then nothing more."""
    with socket.create_connection(EDGE, timeout=30) as connection:
        began = time.monotonic()
        connection.sendall(f"{POST}{head}\r\n\r\n".encode() + body)
        return read_answer(connection), time.monotonic() - began


def test_a_client_that_asks_first_is_answered_before_it_sends_anything() -> None:
    answer, seconds = answer_and_seconds(f"Content-Length: {len(LONG)}\r\nExpect: 100-continue")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert seconds < REQUEST_SECONDS


@pytest.mark.parametrize(("sent", "status"), [(100, 408), (100_000, 401)], ids=["little", "more than a buffer"])
def test_a_client_that_stops_sending_is_answered_when_its_time_is_over(sent: int, status: int) -> None:
    answer, seconds = answer_and_seconds("Content-Length: 1000000", bytes(sent))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert REQUEST_SECONDS - 0.5 < seconds < REQUEST_SECONDS + 5


def test_a_body_far_above_the_limit_is_not_waited_for() -> None:
    answer, seconds = answer_and_seconds(f"Content-Length: {4 * MAX_BYTES + 1}")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert seconds < REQUEST_SECONDS


def test_of_a_body_without_an_end_only_four_times_the_limit_is_read() -> None:
    chunk, sent = b"%x\r\n" % len(LONG) + LONG + b"\r\n", 0
    with socket.create_connection(EDGE, timeout=30) as connection:
        connection.sendall(f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while sent < 10 * MAX_BYTES:
                connection.sendall(chunk)
                sent += len(LONG)
        except ConnectionError:
            pass
    assert 3 * MAX_BYTES < sent < 6 * MAX_BYTES


def test_while_many_long_bodies_are_being_read_another_is_not_waited_for() -> None:
    head = f"{POST}Content-Length: 1000000\r\n\r\n".encode()
    with ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(EDGE, timeout=30)) for _ in range(MAX_READ_AT_ONCE)]
        for connection in crowd:
            connection.sendall(head + bytes(100_000))
        answer, seconds = answer_and_seconds("Content-Length: 1000000", bytes(100_000))
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert seconds < REQUEST_SECONDS / 2
        for connection in crowd:
            assert read_answer(connection).startswith(b"HTTP/1.1 401 ")
