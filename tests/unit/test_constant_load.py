"""The load keeps its rate whatever the server does, and every request is counted once, as what became of it."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from constant_load import Outcome, constant_load

SECONDS, RATE = 0.5, 50
SEVEN = b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\n7"
FULL = b'{"code": 503, "type": "ServiceUnavailableException", "message": "busy"}'
Reply = Callable[[int], bytes | None]  # None closes the connection without an answer


@contextmanager
def server(reply: Reply) -> Iterator[str]:
    """Answers the n-th request, from 0, as told."""
    numbers = iter(range(10_000))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                if line == b"\r\n":  # the end of the head; the body is one byte
                    self.rfile.read(1)
                    answer = reply(next(numbers))
                    if answer is None:
                        return
                    self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/predictions/mnist"
        running.shutdown()


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
    assert outcome.sent == pytest.approx(SECONDS * RATE, rel=0.2)


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
