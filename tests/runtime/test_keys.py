"""TorchServe's keys are read from its file, and renewed before they expire."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from runtime import ask, keys
from runtime.errors import ServingError
from runtime.torchserve import authorization


def write_keys(temp: Path, lasting: float, **changed: str) -> None:
    """As Java writes them, to last for so many seconds; its Instants have up to nine digits of a second."""
    expiry = time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime(time.time() + lasting))
    names = {"management": "old-management", "inference": "old-inference", **changed}
    entries: dict[str, Any] = {kind: {"key": key, "expiration time": expiry} for kind, key in names.items()}
    (temp / keys.KEY_FILE).write_text(json.dumps({**entries, "API": {"key": "renewer"}}))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """What a stand-in for the management API was asked for, and with which key; it renews like TorchServe."""
    requests: list[tuple[str, str]] = []

    class Management(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append((self.path, self.headers.get("Authorization", "")))
            write_keys(tmp_path, 3600, **{self.path.partition("=")[2]: "new"})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to the terminal."""

    with HTTPServer(("127.0.0.1", 0), Management) as server:
        monkeypatch.setattr(keys, "MANAGEMENT", f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, daemon=True).start()
        yield requests
        server.shutdown()


def test_without_keys_none_is_sent(tmp_path: Path, asked: "list[tuple[str, str]]") -> None:
    assert keys.usable_key("management", tmp_path) == ""
    assert asked == []


def test_a_key_that_lasts_is_used_as_it_is(tmp_path: Path, asked: "list[tuple[str, str]]") -> None:
    write_keys(tmp_path, 3600)
    assert keys.usable_key("inference", tmp_path) == "old-inference"
    assert asked == []


@pytest.mark.parametrize("kind", keys.KINDS)
def test_a_key_about_to_expire_is_renewed_with_the_api_key(
    kind: str, tmp_path: Path, asked: "list[tuple[str, str]]"
) -> None:
    write_keys(tmp_path, keys.MARGIN_SECONDS - 2)
    assert keys.usable_key(kind, tmp_path) == "new"
    assert asked == [(f"/token?type={kind}", "Bearer renewer")]


def test_a_file_that_is_being_written_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / keys.KEY_FILE).write_text('{"management": {"key"')
    with pytest.raises(ValueError, match="Expecting"):
        keys.usable_key("management", tmp_path)


def test_authorization_is_on_or_off_and_nothing_else() -> None:
    assert authorization({"AUTHORIZATION": "true"}) == {"disable_token_authorization": "false"}
    assert authorization({"AUTHORIZATION": ""}) == authorization({}) == {}
    with pytest.raises(ServingError, match="AUTHORIZATION to be true or empty, found 'yes'"):
        authorization({"AUTHORIZATION": "yes"})


def test_a_question_that_cannot_be_answered_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask.main(["key", "api"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("FAIL: expected `models`")
