"""The fuzzer's own parts: the same inputs in every run, answers read to their end, failures cut down."""

import re
import socket
import threading
from pathlib import Path

import pytest

from integration.support.clients.raw_http import Answer, RawConnection, post
from integration.support.inputs.mutations import corpus, mutants, smallest
from integration.support.pages.fuzz import DOCUMENT, KNOWN, FuzzReport
from stackcli.common.paths import ROOT

ANSWERS = (
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n7",
    b'HTTP/1.1 503 Busy\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{"code": 503}',
)


def sample() -> list[Path]:
    return [ROOT / "model_src/mnist/samples/7.png"]


def test_the_mutants_are_the_same_in_every_run_and_differ_from_each_other() -> None:
    first, second = (list(mutants(corpus(sample()), 200, seed=1)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 150


def test_a_failing_input_is_cut_down() -> None:
    assert smallest(b"x" * 50 + b"needle" + b"y" * 50, lambda body: b"needle" in body) == b"needle"


def test_an_answer_is_read_to_its_end_and_the_connection_kept_as_the_server_says() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                for answer in ANSWERS:
                    client.recv(1 << 16)
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        connection = RawConnection(("127.0.0.1", server.getsockname()[1]))
        assert connection.ask(post("/", b"x")) == Answer(200, b"7")
        answer = connection.ask(post("/", b"x"))
        assert (answer.status, answer.error) == (503, {"code": 503})
        thread.join(10)


@pytest.mark.parametrize(("status", "is_fine"), [(200, True), (400, True), (500, False), (503, False)])
def test_a_5xx_is_a_failure(status: int, is_fine: bool) -> None:
    report = FuzzReport()
    assert report.count("requests", Answer(status, b"")) is is_fine
    assert report.inputs == 1


@pytest.mark.parametrize(("details", "is_fine"), [("Model not found: nobody", True), ("Prediction failed", False)])
def test_an_internal_error_over_grpc_is_known_or_a_failure(details: str, is_fine: bool) -> None:
    assert FuzzReport().count_call("INTERNAL", details) is is_fine


def test_the_document_lists_every_known_5xx() -> None:
    rows = re.findall(r"^\| (\w+) \| (\w+) \| `", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(known.status, known.type) for known in KNOWN]
