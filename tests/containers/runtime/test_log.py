"""The container's log has one JSON object per line, and enough to follow a request by its ID."""

import json
import socket
import struct
from typing import Any

import pytest
import toy

ANSWERED, FAILED, UNKNOWN = "answered-1", "failed-2", "unknown-3"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> "list[dict[str, Any]]":
    """The log, from start to stop, of a server that answered one request, failed one and refused one."""
    folder = tmp_path_factory.mktemp("log")
    with toy.serving(folder):
        assert [status for status, _, _ in toy.exchange(post("toy", ANSWERED, "text"))] == [200]
        assert [status for status, _, _ in toy.exchange(post("toy/1.0", FAILED, "/no/such/folder"))] == [503]
        assert [status for status, _, _ in toy.exchange(post("none", UNKNOWN, "text"))] == [404]
        reset_a_connection()
        assert toy.predict(b"after")["batch"] == 1
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def post(model: str, request_id: str, body: str) -> str:
    head = (f"POST /predictions/{model} HTTP/1.1", "Host: toy", f"X-Request-Id: {request_id}")
    kind = ("Content-Type: application/octet-stream", f"Content-Length: {len(body)}")
    return "\r\n".join((*head, *kind, "", body))


def reset_a_connection() -> None:
    """Resets the connection, as HAProxy's checks do once they have their answer."""
    with socket.create_connection(("127.0.0.1", 8080), timeout=toy.SECONDS) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(toy.get("/ping").encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def of(lines: "list[dict[str, Any]]", request_id: str) -> "list[dict[str, Any]]":
    return [line for line in lines if line.get("request_id") == request_id]


def test_every_line_has_a_time_and_a_message_or_a_status(lines: "list[dict[str, Any]]") -> None:
    assert not [line for line in lines if "time" not in line or not {"message", "status"} & set(line)]


def test_failures_are_logged_with_their_request(lines: "list[dict[str, Any]]") -> None:
    (failed,) = of(lines, FAILED)
    assert (failed["model"], failed["version"], failed["status"]) == ("toy", "1.0", 503)
    (unknown,) = of(lines, UNKNOWN)
    assert (unknown["path"], unknown["status"]) == ("/predictions/none", 404)


def test_what_a_worker_says_of_a_batch_names_its_requests(lines: "list[dict[str, Any]]") -> None:
    said = [line["message"] for line in lines if "FileNotFoundError" in line.get("message", "")]
    assert said
    assert not [message for message in said if f"[{FAILED}] " not in message]


def test_what_goes_well_is_not_logged(lines: "list[dict[str, Any]]") -> None:
    assert not of(lines, ANSWERED)
    assert not [line for line in lines if ANSWERED in json.dumps(line)]


def test_a_connection_that_is_reset_is_not_logged(lines: "list[dict[str, Any]]") -> None:
    assert not [line for line in lines if "reset by peer" in line.get("message", "")]


def test_torchserves_own_metrics_are_no_lines(lines: "list[dict[str, Any]]") -> None:
    assert not [line for line in lines if "[METRICS]" in line.get("message", "")]
