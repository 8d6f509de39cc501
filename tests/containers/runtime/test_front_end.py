"""Our part of TorchServe's Java front end: its messages when it cannot answer, and how it reads a form."""

import http.client
import json
import os
import signal
import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from front_end import wait_until
from toy import exchange, get, predict, serving, waiting, worker_pid

QUEUE = 2
MOST_BYTES = 1000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a server with a short queue and a low limit on request bodies."""
    folder = tmp_path_factory.mktemp("front-end")
    with serving(folder, job_queue_size=str(QUEUE), max_request_size=str(MOST_BYTES)):
        yield folder


def refused(
    body: bytes, content_type: str = "application/octet-stream"
) -> tuple[urllib.error.HTTPError, dict[str, Any]]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        predict(body, content_type)
    with caught.value as answer:
        return answer, json.load(answer)


def test_a_full_queue_is_said_at_once_with_when_to_come_again(served: Path) -> None:
    computing = served / "computing"
    with ThreadPoolExecutor(QUEUE + 1) as clients:
        first = clients.submit(predict, str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        others = [clients.submit(predict, b"waiting") for _ in range(QUEUE)]
        wait_until(lambda: waiting() == QUEUE, "the queue to be full")
        answer, error = refused(b"one too many")
        computing.unlink()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (error["code"], error["type"]) == (503, "ServiceUnavailableException")
        assert error["message"] == "expected room in the queue of toy, found all 2 places taken; try again shortly"
        assert [client.result()["batch"] for client in (first, *others)] == [1, 2, 2]


def test_a_body_over_the_limit_is_refused_in_json(served: Path) -> None:
    answer, error = refused(b"x" * (MOST_BYTES + 1))
    assert answer.status == 413
    assert answer.headers["Content-Type"] == "application/json"
    assert error == {
        "code": 413,
        "type": "PayloadTooLargeException",
        "message": "expected a body of at most 1000 bytes, found a larger one",
    }


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"\x89PNG%zz\x00=", {"body": str(bytearray(b"\x89PNG%zz\x00="))}),
        (b"BM=\x00\x01", {"body": str(bytearray(b"BM=\x00\x01"))}),
        (b"iVBORw0KGgo/", {"body": str(bytearray(b"iVBORw0KGgo/"))}),
        (b'{"data": "x"}', {"body": str({"data": "x"})}),
        (b"data=a%20b", {"data": str(bytearray(b"a b"))}),
    ],
)
def test_what_curl_calls_a_form_is_read_as_what_it_is(served: Path, body: bytes, got: dict[str, str]) -> None:
    assert predict(body, "application/x-www-form-urlencoded")["got"] == got


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=", b"--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--x--"),
        ("application/x-www-form-urlencoded", b"data=%zz"),
    ],
)
def test_a_form_that_cannot_be_read_is_the_clients_mistake(served: Path, content_type: str, body: bytes) -> None:
    answer, error = refused(body, content_type)
    assert (answer.status, error["type"]) == (400, "BadRequestException")
    assert error["message"].startswith("expected a valid form, found ")


def test_a_form_that_can_be_read_is_read(served: Path) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="data"\r\n\r\nseven\r\n--x--\r\n'
    assert predict(part, "multipart/form-data; boundary=x")["got"] == {"data": str(bytearray(b"seven"))}


def test_who_loses_a_worker_is_told_so_with_a_status_that_says_try_again(served: Path) -> None:
    computing = served / "killed"
    with ThreadPoolExecutor(1) as clients:
        answered = clients.submit(refused, str(computing).encode())
        wait_until(computing.exists, "the worker to compute")
        os.kill(worker_pid(), signal.SIGKILL)
        computing.unlink()
        answer, error = answered.result()
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/json")
    assert (error["code"], error["type"]) == (500, "InternalServerException")
    assert error["message"].startswith("expected an answer from the model's worker, found that it died")


def test_an_error_bears_the_id_of_its_request(served: Path) -> None:
    ((status, headers, error),) = exchange(get("/nowhere", "X-Request-Id: first"))
    assert (status, headers["x-request-id"]) == (404, "first")
    assert list(error) == ["code", "type", "message", "request_id"]
    assert error["request_id"] == "first"


def test_without_an_id_of_the_request_an_error_is_torchserves_own(served: Path) -> None:
    ((status, _, error),) = exchange(get("/nowhere"))
    assert status == 404
    assert list(error) == ["code", "type", "message"]


def test_ids_of_requests_sent_at_once_stay_with_their_requests(served: Path) -> None:
    named, nameless, last = exchange(
        get("/api-description", "X-Request-Id: first"), get("/api-description"), get("/nowhere", "X-Request-Id: last")
    )
    assert [status for status, _, _ in (named, nameless, last)] == [200, 200, 404]
    assert named[1]["x-request-id"] == "first"
    assert nameless[1].get("x-request-id") not in ("first", "last")
    assert last[2]["request_id"] == "last"


def test_a_path_without_a_slash_is_one_that_is_not_there(served: Path) -> None:
    client = http.client.HTTPConnection("127.0.0.1", 8080)
    client.request("GET", "nowhere")
    assert client.getresponse().status == 404
    client.close()


def test_a_path_that_cannot_be_decoded_is_refused_and_not_left_without_an_answer(served: Path) -> None:
    client = http.client.HTTPConnection("127.0.0.1", 8080)
    client.request("POST", "/predictions/%zz", b"x")
    answer = client.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/json")
    client.close()
