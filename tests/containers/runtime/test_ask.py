"""A query of scripts/stack inside the container gets an answer, or a failure as data."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from contract.failure import read_failure
from runtime import ask


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> "Iterator[list[tuple[str, bytes]]]":
    """The requests to a stand-in for TorchServe, which knows only the model m, an untrained one."""
    requests: list[tuple[str, bytes]] = []

    class Inference(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            known = self.path.startswith("/predictions/m")
            self.send_response(200 if known else 404)
            if known:
                self.send_header("X-Model-Untrained", "true")
            self.end_headers()
            self.wfile.write("sieben ✓".encode() if known else b"{}")

        def log_message(self, *_: Any) -> None:
            """Logs nothing to the terminal."""

    with HTTPServer(("127.0.0.1", 0), Inference) as server:
        monkeypatch.setattr(ask, "INFERENCE", f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield requests
        server.shutdown()


def test_a_prediction_is_passed_on_with_its_status(asked: "list[tuple[str, bytes]]") -> None:
    assert ask.predicted(["m"], b"\x00picture") == {"status": 200, "untrained": True, "body": "sieben ✓"}
    assert ask.predicted(["m", "2.0"], b"") == {"status": 200, "untrained": True, "body": "sieben ✓"}
    assert asked == [("/predictions/m", b"\x00picture"), ("/predictions/m/2.0", b"")]


def test_a_refusal_is_an_answer_too(asked: "list[tuple[str, bytes]]") -> None:
    assert ask.predicted(["../x"], b"") == {"status": 404, "untrained": False, "body": "{}"}
    assert asked[0][0] == "/predictions/..%2Fx"


@pytest.mark.parametrize("words", [["key", "inference"], ["predict"], []])
def test_a_question_that_cannot_be_answered_is_one_line(words: "list[str]", capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(words) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    failure = read_failure(printed.out)
    assert failure
    assert failure.expected == "`models` or `predict MODEL [VERSION]`"
