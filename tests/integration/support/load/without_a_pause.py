"""One client that asks again as soon as it is answered, for as long as a test needs traffic to look at."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

from integration.support.stack import new_session


@contextmanager
def asked_constantly(ask: Callable[[requests.Session, int], object]) -> Iterator[None]:
    """Sends requests without a pause; `ask` sends the one with that number, from 1, in a separate session."""
    over = threading.Event()

    def ask_on() -> None:
        number = 0
        with new_session() as client:
            while not over.is_set():
                number += 1
                ask(client, number)

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
