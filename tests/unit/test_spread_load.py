"""If an address does not answer, the careful client asks another one, skips the first for a while, and counts both."""

import socket

from integration.support.load.spread import MOST_TRIES, SpreadOutcome, spread_load
from unit.http_server import RATE, SEVEN, server

SECONDS = 1.0


def outcome_of(*urls: str) -> SpreadOutcome:
    with spread_load(urls, b"x", expected="7", rate=RATE) as load:
        load.keep_up(SECONDS)
    return load.outcome


def refusing() -> str:
    """An address of this machine where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/predictions/mnist"


def test_all_addresses_are_asked_by_turns() -> None:
    asked = [0, 0]

    def counted(index: int) -> bytes:
        asked[index] += 1
        return SEVEN

    with server(lambda number: counted(0)) as first, server(lambda number: counted(1)) as second:
        outcome = outcome_of(first, second)
    assert (outcome.failed, outcome.asked_again) == (0, 0)
    assert abs(asked[0] - asked[1]) <= 1


def test_where_one_refuses_another_answers_and_few_requests_notice() -> None:
    with server(lambda number: SEVEN) as url:
        outcome = outcome_of(refusing(), url)
    assert outcome.failed == 0
    assert 0 < outcome.asked_again < outcome.sent / 10, outcome.reasons()
    assert set(outcome.reasons()) == {"127.0.0.1: not connected: ConnectionRefusedError"}


def test_a_wrong_answer_everywhere_is_a_failure() -> None:
    with server(lambda number: SEVEN.replace(b"7", b"1")) as url:
        outcome = outcome_of(url)
    assert outcome.failed == outcome.sent > 0
    assert set(outcome.reasons()) == {"127.0.0.1: 200 1"}
    assert all(len(one.failures) == MOST_TRIES for one in outcome.requests)
