"""HAProxy's relevant messages become lines of JSON, and routine ones are dropped."""

from __future__ import annotations

import json
import os

import pytest

from supervisor.log import follow_haproxy, haproxy_lines, log

ACCESS = '{"time": "2026-01-01T00:00:00Z", "status": 200}'
RELOAD = """\
[NOTICE]   (12) : New worker (17) forked
[WARNING]  (15) : Proxy page stopped (cumulated conns: FE: 0, BE: 0).
Proxy edge stopped (cumulated conns: FE: 0, BE: 0).
Proxy <HTTPCLIENT> stopped (cumulated conns: FE: 0, BE: 0).
[WARNING]  (12) : Former worker (15) exited with code 0 (Exit)
[WARNING]  (17) : config : Server grpc/torchserve8 is DOWN, changed from server-state after a reload. 0 active and 0 backup servers left.
[WARNING]  (17) : config : server-state partially applied for server 'page/page', health checks are not enabled on this server
[WARNING]  (22) : torchserve/torchserve1 changed its IP from (none) to 192.168.80.2 by docker/docker.
[WARNING]  (22) : Server torchserve/torchserve1 ('torchserve') is UP/READY (resolves again).
[WARNING]  (22) : Server torchserve/torchserve1 administratively READY thanks to valid DNS answer.
[WARNING]  (27) : Exiting Master process...
[WARNING]  (27) : Current worker (30) exited with code 0 (Exit)
[WARNING]  (27) : All workers exited. Exiting... (0)
[ALERT]    (27) : Current worker (30) exited with code 143 (Terminated)
[WARNING]  (27) : All workers exited. Exiting... (143)
"""  # noqa: E501
DOWN = "Server torchserve/torchserve1 is DOWN, reason: Layer4 connection problem"


def said(text: str) -> list[tuple[str, str, str]]:
    lines = [json.loads(line) for line in haproxy_lines(text)]
    return [(line["level"], line["logger"], line["message"]) for line in lines]


def test_a_start_a_reload_and_a_stop_say_nothing() -> None:
    assert said(RELOAD) == []


def test_relevant_messages_are_logged_with_their_level() -> None:
    text = f"[WARNING]  (22) : {DOWN}\n[ALERT]    (22) : backend 'grpc' has no server available!\nunheard of\n"
    alert = ("ERROR", "haproxy", "backend 'grpc' has no server available!")
    assert said(text) == [("WARN", "haproxy", DOWN), alert, ("INFO", "haproxy", "unheard of")]


def test_access_lines_pass_as_they_are_wherever_they_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as haproxy:
        follower = follow_haproxy(haproxy)
        with os.fdopen(writing, "wb", buffering=0) as written:
            for part in (ACCESS[:20], ACCESS[20:] + "\n" + ACCESS, "\nProxy edge stopped (\n" + ACCESS):
                written.write(part.encode())
        follower.join(10)
    assert capsys.readouterr().out == f"{ACCESS}\n" * 3


def test_the_first_word_says_how_bad_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("routing m to 1.0", "WARNING: expected", "FAIL: expected"):
        log(line)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("INFO", "edge"),
        ("WARN", "edge"),
        ("ERROR", "edge"),
    ]
