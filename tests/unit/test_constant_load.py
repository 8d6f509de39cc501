"""The load keeps its rate whatever the server does, and every request is counted once, by its outcome."""

import threading
from itertools import pairwise

import pytest

from integration.support.load.constant import Outcome, constant_load
from unit.http_server import RATE, SEVEN, server

SECONDS = 0.5
FULL = b'{"code": 503, "type": "ServiceUnavailableException", "message": "busy"}'


def outcome_of(url: str) -> Outcome:
    with constant_load(url, b"x", expected="7", rate=RATE) as load:
        load.keep_up(SECONDS)
    return load.outcome


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SEVEN, "answered"),
        (SEVEN.replace(b"7", b"1"), "wrong"),
        (SEVEN.replace(b"\r\nC", b"\r\nConnection: close\r\nC"), "answered"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: %d\r\n\r\n%b" % (len(FULL), FULL), "refused"),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\noops", "wrong"),
        (None, "lost"),
    ],
)
def test_every_request_is_counted_as_what_became_of_it(answer: bytes | None, kind: str) -> None:
    with server(lambda number: answer) as url:
        outcome = outcome_of(url)
    assert {request.kind for request in outcome.requests} == {kind}
    # How many are due depends on when a busy machine lets the load start and stop; how far apart they are does not.
    due = [request.due for request in outcome.requests]
    assert [later - earlier for earlier, later in pairwise(sorted(due))] == pytest.approx([1 / RATE] * (len(due) - 1))
    assert len(due) > 1


def test_a_server_that_is_not_there_refuses() -> None:
    with server(lambda number: SEVEN) as url:
        pass
    assert {request.kind for request in outcome_of(url).requests} == {"refused"}


def test_a_stall_does_not_make_the_load_wait() -> None:
    released = threading.Event()

    def stall(number: int) -> bytes:
        if number == 10:
            released.set()
        released.wait(10)
        return SEVEN

    with server(stall) as url:
        outcome = outcome_of(url)
    assert {request.kind for request in outcome.requests} == {"answered"}
    assert outcome.requests[0].seconds > 5 / RATE, "the first request waited for the tenth, which was sent meanwhile"
