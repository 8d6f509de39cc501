"""Metrics are read on demand, at most once a second, and a TorchServe that does not answer delays them only briefly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from expositions import exposition

from supervisor.numbers import Reading
from supervisor.scrape import Readings, Scraper, read_torchserve
from supervisor.server import Server

GOOD = ("text/plain", exposition({"2xx": 1}).encode())


class World:
    """A clock that advances only by pauses, and TorchServes that answer with the time."""

    def __init__(self) -> None:
        self.now, self.scrapes = 100.0, 0
        self.answering = {"a"}
        self.known = {"a"}

    def scrape(self) -> Readings:
        self.scrapes += 1
        return {name: Reading(self.now, {}) if name in self.answering else None for name in self.known}

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def scraper(world: World) -> Scraper:
    return Scraper(world.scrape, lambda: world.now, world.pause)


def test_nothing_is_read_until_a_client_asks(world: World, scraper: Scraper) -> None:
    assert world.scrapes == 0


def test_the_first_to_ask_waits_for_two_readings(world: World, scraper: Scraper) -> None:
    (found,) = scraper.replicas()
    assert (world.scrapes, found.seconds) == (2, 2.0)


def test_however_many_ask_it_is_read_once_a_second(world: World, scraper: Scraper) -> None:
    for _ in range(50):
        scraper.replicas()
        world.pause(0.1)
    assert world.scrapes <= 2 + 5


def test_who_goes_on_asking_sees_the_last_ten_seconds(world: World, scraper: Scraper) -> None:
    for _ in range(10):
        (found,) = scraper.replicas()
        world.pause(2)
    assert found.seconds == pytest.approx(10, abs=1)


def test_who_asks_again_later_gets_no_old_numbers(world: World, scraper: Scraper) -> None:
    scraper.replicas()
    world.pause(60)
    (found,) = scraper.replicas()
    assert (world.scrapes, found.seconds) == (4, 2.0)


def test_one_that_stops_to_answer_has_no_reading_now(world: World, scraper: Scraper) -> None:
    scraper.replicas()
    world.answering = set()
    world.pause(2)
    (found,) = scraper.replicas()
    assert (found.instance, found.after, found.seconds) == ("a", None, 0.0)


def test_if_none_answers_no_client_waits_for_a_second_reading(world: World, scraper: Scraper) -> None:
    world.answering = set()
    (found,) = scraper.replicas()
    assert (found.after, world.scrapes) == (None, 1)


def test_one_that_comes_later_counts_from_its_first_reading(world: World, scraper: Scraper) -> None:
    scraper.replicas()
    world.known = world.answering = {"a", "b"}
    world.pause(2)
    assert [found.seconds for found in scraper.replicas()] == [4.0, 0.0]
    world.pause(2)
    assert [found.seconds for found in scraper.replicas()] == [6.0, 2.0]


def test_where_the_first_has_only_just_come_up_its_rates_are_waited_for(world: World, scraper: Scraper) -> None:
    world.answering = set()
    scraper.replicas()
    world.pause(5)
    world.answering = {"a"}
    (found,) = scraper.replicas()
    assert found.seconds == 2.0


@contextmanager
def listening(answer: bytes, pause: float = 0.0) -> Iterator[tuple[str, int]]:
    """A server that sends this to every client, byte by byte if there is a `pause` (seconds)."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            parts = [answer[at : at + 1] for at in range(len(answer))] if pause else [answer]
            for part in parts:
                if over.wait(pause):
                    return
                try:
                    connection.sendall(part)
                except OSError:
                    return
            over.wait(0 if answer else 30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        over.set()
        thread.join()
        listener.close()


def test_a_torchserve_that_answers_is_read() -> None:
    with Server({"/metrics": lambda: GOOD}, ("127.0.0.1", 0)) as server:
        server.start()
        reading = read_torchserve("127.0.0.1", server.server_address[1])
        server.shutdown()
    assert reading
    assert "model_info" in reading.series


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (b"", 0),
        (HEAD + b"model_info 1.0\n" * 1000, 0.01),
        (HEAD[:30] * 1000, 0.01),
        (HEAD + b"model_info 1.0\n", 0),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nmodel_info 1.0.", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff", 0),
        (b"garbage\r\n\r\n", 0),
    ],
    ids=["silent", "slow", "slow head", "broken off", "an error", "no exposition", "no text", "no HTTP"],
)
def test_one_that_is_slow_or_broken_counts_as_not_answering_and_soon(answer: bytes, pause: float) -> None:
    with listening(answer, pause) as address:
        began = time.monotonic()
        assert read_torchserve(*address, seconds=0.3) is None
        assert time.monotonic() - began < 5, "the whole answer has its time, not each part of it"


def test_one_that_is_not_there_counts_as_not_answering() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
    assert read_torchserve(*address, seconds=0.3) is None
