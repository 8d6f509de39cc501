"""`scripts/stack logs` parses, filters and shows the lines of the containers' logs."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from stackcli.common.errors import ConfigError
from stackcli.logs import Wanted, seconds_of, show_logs, shown, whole_lines
from stackcli.project.log_lines import LogLine, names, plain, readable

STAMP = "2026-11-25T08:00:00.123456789Z"
ACCESS = {"time": "x", "request_id": "abc-1", "method": "POST", "path": "/predictions/mnist", "model": "mnist"}
REFUSED = {**ACCESS, "version": "1.0", "status": 503, "ms": 7.5}
WORKER = {"level": "WARN", "logger": "W-9000-mnist_1.0-stdout", "message": "[abc-1 def-2] ValueError: no"}
ENTRYPOINT = {"level": "INFO", "logger": "entrypoint", "message": "serving mnist 1.0: 1 worker with 2 threads"}


def line_of(said: dict[str, Any] | str, service: str = "torchserve", stamp: str = STAMP) -> LogLine:
    return LogLine.parse(service, f"{stamp} {said if isinstance(said, str) else json.dumps(said)}")


def test_a_line_has_dockers_time_and_its_object() -> None:
    line = line_of(WORKER)
    assert line.time == datetime(2026, 11, 25, 8, 0, 0, 123456, timezone.utc)
    assert (line.model, line.version, line.is_access) == ("mnist", "1.0", False)
    assert (line_of(REFUSED).model, line_of(REFUSED).version, line_of(REFUSED).is_access) == ("mnist", "1.0", True)


@pytest.mark.parametrize("text", ["OpenJDK warning", '{"cut', "", "[1]", "{}"])
def test_what_is_no_message_is_taken_as_it_is(text: str) -> None:
    line = line_of(text)
    assert line.text == text
    assert plain(text) == text
    assert text in shown(line).plain


def test_a_request_is_found_by_its_id_and_by_nothing_like_it() -> None:
    assert [line_of(said).concerns("abc-1") for said in (REFUSED, WORKER, ENTRYPOINT)] == [True, True, False]
    assert not line_of(REFUSED).concerns("abc")
    assert not line_of(WORKER).concerns("def")
    assert not names("request abc-11", "abc-1")


def test_a_model_is_found_where_it_is_named() -> None:
    assert all(line_of(said).is_about("mnist") for said in (REFUSED, WORKER, ENTRYPOINT))
    assert not any(line_of(said).is_about("mnist_v2") for said in (REFUSED, WORKER, ENTRYPOINT))


def test_a_person_reads_what_happened_to_which_request() -> None:
    text = shown(line_of(REFUSED, "edge")).plain
    for word in ("edge", "503", "mnist 1.0", "abc-1", "/predictions/mnist", "7.5 ms"):
        assert word in text
    assert "[abc-1 def-2] ValueError: no" in shown(line_of(WORKER)).plain


def test_a_whole_log_reads_as_source_and_message() -> None:
    log = f"{json.dumps(ENTRYPOINT)}\nsomething else\n"
    assert readable(log) == f"entrypoint: {ENTRYPOINT['message']}\nsomething else"


def test_lines_are_put_together_again_wherever_they_are_cut() -> None:
    assert list(whole_lines([b"one\ntw", b"o\n\xc3", b"\xa9\n"])) == ["one", "two", "é"]


@pytest.mark.parametrize(("since", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200)])
def test_since_has_a_unit(since: str, seconds: int) -> None:
    assert seconds_of(since) == seconds
    with pytest.raises(ConfigError, match="--since"):
        seconds_of(since[:-1])


class FakeContainer:
    """What `show_logs` uses of docker's."""

    def __init__(self, *lines: str) -> None:
        self.labels = {"com.docker.compose.container-number": "1"}
        self.lines = "".join(f"{line}\n" for line in lines).encode()
        self.open = threading.Event()

    def logs(self, *, stream: bool = False, **asked: Any) -> bytes | Iterator[bytes]:
        return self._stream() if stream else self.lines

    def _stream(self) -> Iterator[bytes]:
        yield self.lines
        self.open.wait(30)


def at(second: int, said: dict[str, Any]) -> str:
    return f"2026-11-25T08:00:{second:02}.5Z {json.dumps(said)}"


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeContainer]:
    found = {
        "edge": FakeContainer(at(3, REFUSED)),
        "torchserve": FakeContainer(at(1, ENTRYPOINT), at(2, WORKER), at(4, REFUSED)),
    }
    monkeypatch.setattr("stackcli.logs.serving_containers", lambda client, project: found)
    return found


def test_the_logs_are_one_in_the_order_of_time(
    containers: dict[str, FakeContainer], capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = None
    show_logs(client, "project", Wanted(request_id="abc-1"), follow=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["service"] for line in lines] == ["torchserve", "edge", "torchserve"]
    assert lines[0]["message"] == WORKER["message"]


def test_following_ends_with_ctrl_c_and_says_nothing_of_it(
    containers: dict[str, FakeContainer], capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = None
    # As in a terminal: a shell that runs the tests in its background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupt = threading.Timer(1, signal.raise_signal, (signal.SIGINT,))
    interrupt.start()
    show_logs(client, "project", Wanted(model="mnist"), follow=True, as_json=False)
    for container in containers.values():
        container.open.set()
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert printed.err == ""
