"""The generator reports what a user of the server would have seen."""

import asyncio
import time
from dataclasses import replace

import pytest

from conftest import BODY, OK
from load.__main__ import run_load
from load.errors import LoadError
from load.target import Target

STALL_SECONDS = 2.0
NEVER_SECONDS = 60


class Stall:
    """A server that, half a second after its first request, stops answering all clients for STALL_SECONDS."""

    def __init__(self) -> None:
        self.begin = 0.0

    async def __call__(self, number: int) -> bytes:
        now = time.monotonic()
        self.begin = self.begin or now + 0.5
        if self.begin <= now < self.begin + STALL_SECONDS:
            await asyncio.sleep(self.begin + STALL_SECONDS - now)
        return OK


async def never(number: int) -> bytes:
    await asyncio.sleep(NEVER_SECONDS)
    return OK


def test_the_open_loop_sees_a_stall_in_its_percentiles(serve) -> None:
    result = run_load(serve(Stall()).target, rate=100, seconds=3)
    assert result["errors"] == {}
    # Two thirds of the requests were due during the stall, evenly spread over it.
    assert result["latency_ms"]["p50"] > 200 * STALL_SECONDS
    assert result["latency_ms"]["p99"] > 900 * STALL_SECONDS


def test_the_closed_loop_omits_a_stall(serve) -> None:
    result = run_load(serve(Stall()).target, connections=1, seconds=3)
    assert result["latency_ms"]["max"] > 900 * STALL_SECONDS
    assert result["latency_ms"]["p99"] < 100 * STALL_SECONDS


def test_requests_that_wait_for_a_connection_keep_the_time_they_were_due(serve) -> None:
    async def slow(number: int) -> bytes:
        await asyncio.sleep(0.02)
        return OK

    result = run_load(serve(slow).target, rate=100, seconds=1, max_connections=1)
    assert result["connections"] == 1
    assert result["achieved_rate"] <= 50
    # One connection handles 50 of the 100 requests/s, so the last one answered has waited for about half the time.
    assert result["latency_ms"]["max"] > 250
    assert result["errors"]["unsent"] == result["requests"] - result["statuses"]["200"] >= 45


def test_the_open_loop_holds_its_rate(serve) -> None:
    server = serve()
    result = run_load(server.target, rate=200, seconds=2, warmup=0.5)
    assert result["requests"] == pytest.approx(400, abs=1)
    assert result["offered_rate"] == pytest.approx(200, rel=0.01)
    assert result["achieved_rate"] == pytest.approx(200, rel=0.1)
    assert len(server.requests) == pytest.approx(500, abs=1)  # the warm-up is sent but not counted


def test_the_closed_loop_keeps_as_many_requests_in_flight_as_it_has_connections(serve) -> None:
    inside, most = 0, 0

    async def counted(number: int) -> bytes:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1
        return OK

    result = run_load(serve(counted).target, connections=5, seconds=0.5, warmup=0.5)
    assert most == result["connections"] == 5
    assert result["requests"] == sum(result["statuses"].values()) > 0


def test_every_request_carries_the_body_and_the_headers(serve) -> None:
    server = serve()
    run_load(server.target, connections=2, seconds=0.5)
    assert len(set(server.requests)) == 1
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predictions/mnist HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert b"Content-Type: image/png" in head
    assert body == BODY


def test_an_answer_other_than_2xx_is_an_error_and_no_latency(serve) -> None:
    async def half(number: int) -> bytes:
        return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" if number % 2 else OK

    result = run_load(serve(half).target, connections=1, seconds=0.5)
    bad = result["statuses"]["503"]
    assert result["errors"] == {"non-2xx": bad}
    assert sum(result["histogram"]["counts"]) == result["statuses"]["200"] == result["requests"] - bad > 0


@pytest.mark.parametrize("load", [{"connections": 1}, {"rate": 100}], ids=["closed", "open"])
def test_a_2xx_with_another_body_than_the_expected_one_is_wrong(serve, load) -> None:
    async def one_in_four_is_wrong(number: int) -> bytes:
        answers = {1: OK.replace(b"ok", b"no"), 3: OK.replace(b"200 OK", b"500 Oh")}
        return answers.get(number % 4, OK)

    target = serve(one_in_four_is_wrong).target
    result = run_load(replace(target, expected=b"ok"), seconds=0.5, **load)
    wrong, failed = result["errors"]["wrong"], result["errors"]["non-2xx"]
    assert result["others"] == {"200 no": wrong, "500 ok": failed}
    assert sum(result["histogram"]["counts"]) == result["requests"] - wrong - failed > 0
    assert wrong > 0


def test_without_an_expected_body_every_2xx_is_an_answer(serve) -> None:
    result = run_load(serve().target, connections=1, seconds=0.3)
    assert result["errors"] == {}
    assert "others" not in result


def test_many_different_answers_do_not_fill_the_memory(serve) -> None:
    async def random_answer(number: int) -> bytes:
        return OK.replace(b"ok", f"{number % 100:02}".encode())

    result = run_load(replace(serve(random_answer).target, expected=b"ok"), rate=200, seconds=0.5)
    assert len(result["others"]) == 21
    assert sum(result["others"].values()) == result["errors"]["wrong"] == result["requests"]


@pytest.mark.parametrize("load", [{"connections": 1}, {"rate": 100}], ids=["closed", "open"])
def test_a_cut_connection_is_an_error_and_another_takes_its_place(serve, load) -> None:
    async def one_in_ten(number: int):
        return None if number % 10 == 9 else OK

    result = run_load(serve(one_in_ten).target, seconds=0.5, **load)
    assert result["errors"].keys() == {"reset"}
    assert result["statuses"]["200"] > result["errors"]["reset"] > 0


@pytest.mark.parametrize("load", [{"connections": 3}, {"rate": 20}], ids=["closed", "open"])
def test_a_request_without_an_answer_times_out(serve, load) -> None:
    began = time.monotonic()
    result = run_load(serve(never).target, seconds=0.3, timeout=0.2, **load)
    assert time.monotonic() - began < NEVER_SECONDS
    assert result["errors"] == {"timeout": result["requests"]}
    assert result["requests"] > 0
    assert result["latency_ms"] is result["histogram"] is None


@pytest.mark.parametrize("load", [{"connections": 1}, {"rate": 50}], ids=["closed", "open"])
def test_an_answer_that_ends_its_connection_is_an_answer(serve, load) -> None:
    async def last(number: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

    result = run_load(serve(last).target, seconds=0.5, **load)
    assert result["errors"] == {}
    assert result["statuses"]["200"] == result["requests"] > 1


@pytest.mark.parametrize("load", [{"connections": 1}, {"rate": 50}], ids=["closed", "open"])
def test_what_is_no_http_is_an_error(serve, load) -> None:
    async def chatter(number: int) -> bytes:
        return b"hello\r\n"

    result = run_load(serve(chatter).target, seconds=0.5, **load)
    assert result["errors"] == {"no HTTP": result["requests"]}


@pytest.mark.parametrize("load", [{"connections": 1}, {"rate": 50}], ids=["closed", "open"])
def test_a_server_that_goes_away_leaves_connect_errors(serve, load) -> None:
    server = serve(lambda number: asyncio.sleep(0))  # answers nothing but cuts every connection…
    target = server.target
    result = run_load(target, seconds=0.5, notify=lambda mark: server._call(server._cancel()), **load)
    assert result["errors"]["connect"] > 0  # …and accepts none after the first mark


def test_a_server_that_was_never_there_is_refused_with_a_remedy() -> None:
    with pytest.raises(LoadError, match=r"^expected a server at 127\.0\.0\.1:9, found Connection refused; try"):
        run_load(Target.post("http://127.0.0.1:9/", b"", {}), connections=1, seconds=1)


@pytest.mark.parametrize("url", ["https://localhost/", "localhost:8080", "/predictions/mnist"])
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(LoadError, match="expected an http:// address"):
        Target.post(url, b"", {})


def test_a_slow_generator_says_so(serve) -> None:
    """If it is held up for half of the window, it is late for half of the requests, and reports that."""

    def hold_up(mark: str) -> None:
        if mark == "measuring":
            time.sleep(0.5)

    result = run_load(serve().target, rate=100, seconds=1, notify=hold_up)
    assert result["lag_ms"]["p99"] > 250
    assert result["generator_limited"]
    assert result["latency_ms"]["p99"] >= result["lag_ms"]["p99"] * 0.9
