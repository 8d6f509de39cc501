"""The simulation agrees with queues whose solution is known, and behaves as TorchServe's queue does."""

from math import factorial

import pytest

from stackcli.plan.queueing import Replica, closed_loop, open_loop

MANY = 40_000  # requests: enough for a mean within some percent
CLOSE = 0.05


def single(spread: float, workers: int = 1) -> Replica:
    """Batches of one, 10 ms each."""
    return Replica(workers, 1, 0, 10, 0, spread=spread)


def erlang_c(servers: int, load: float) -> float:
    """Returns the probability that a request of an M/M/c waits; `load`: arrival rate × service time (Erlang, 1917)."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**n / factorial(n) for n in range(servers)) + last)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("busy", [0.5, 0.8])
def test_exponential_service_waits_as_erlang_c_says(workers: int, busy: float) -> None:
    load = busy * workers
    simulated = open_loop(single(1, workers), load * 100, requests=MANY)
    assert simulated.mean == pytest.approx(10 + erlang_c(workers, load) * 10 / (workers - load), rel=CLOSE)
    assert simulated.utilisation == pytest.approx(busy, rel=CLOSE)


@pytest.mark.parametrize("spread", [0, 0.5, 1.4])
def test_one_worker_waits_as_pollaczek_and_khinchine_say(spread: float) -> None:
    """M/G/1: rho / (1 - rho) * (1 + spread²) / 2 services; with spread 0 it is M/D/1."""
    busy = 0.7
    simulated = open_loop(single(spread), busy * 100, requests=MANY)
    waiting = busy / (1 - busy) * (1 + spread**2) / 2 * 10
    assert simulated.mean - 10 == pytest.approx(waiting, rel=2 * CLOSE)


def test_the_edge_does_nearly_as_well_as_one_common_queue() -> None:
    """It is worse than M/M/3, but much better than three queues chosen at random."""
    busy = 0.8
    mean = open_loop(single(1), 3 * busy * 100, 3, requests=MANY).mean
    common = 10 + erlang_c(3, 3 * busy) * 10 / (3 - 3 * busy)
    blind = 10 / (1 - busy)
    assert common < mean < (common + blind) / 2


def test_requests_that_come_evenly_and_are_served_in_time_wait_for_nobody() -> None:
    assert open_loop(single(0), 90, arrivals="even", requests=1000).percentile(99) == pytest.approx(10)


def test_a_lone_connection_waits_for_its_answer_and_what_is_outside_of_it() -> None:
    replica = Replica(1, 32, 0, 3, 1, outside=6)
    assert closed_loop(replica, 1, requests=1000).rate == pytest.approx(1000 / 10, rel=0.01)


def test_a_busy_worker_takes_full_batches() -> None:
    simulated = closed_loop(Replica(1, 32, 0, 3, 1), 64, requests=6400)
    assert simulated.rate == pytest.approx(32 / 35 * 1000, rel=0.01)
    assert simulated.percentile(50) == pytest.approx(70)


def test_two_workers_answer_twice_as_many() -> None:
    one, two = (closed_loop(Replica(n, 1, 0, 10, 0), 8, requests=2000).rate for n in (1, 2))
    assert two == pytest.approx(2 * one, rel=0.01)


def test_replicas_answer_in_proportion() -> None:
    one, three = (closed_loop(Replica(1, 32, 0, 3, 1), 64 * n, n, requests=9000).rate for n in (1, 3))
    assert three == pytest.approx(3 * one, rel=0.02)


def test_a_lone_request_waits_for_company_as_long_as_it_is_told_to() -> None:
    assert open_loop(Replica(1, 8, 5, 10, 0), 1, arrivals="even", requests=100).percentile(50) == pytest.approx(15)


def test_a_full_batch_waits_for_nobody() -> None:
    assert closed_loop(Replica(1, 8, 1000, 10, 0), 8, requests=800).percentile(50) == pytest.approx(10)


def test_a_quota_stops_the_container_for_the_rest_of_each_period() -> None:
    """With two fifths of the time, the container runs for 40 ms, then is stopped for 60 ms."""
    free, stopped = Replica(1, 1, 0, 10, 0), Replica(1, 1, 0, 10, 0, quota=0.4)
    assert closed_loop(stopped, 1, requests=2000).rate == pytest.approx(0.4 * closed_loop(free, 1).rate, rel=0.02)
    simulated = closed_loop(stopped, 1, requests=2000)
    assert simulated.percentile(50) == pytest.approx(10)
    assert simulated.percentile(99) == pytest.approx(70)


def test_workers_share_the_quota() -> None:
    assert closed_loop(Replica(2, 1, 0, 10, 0, quota=1), 4, requests=2000).rate == pytest.approx(100, rel=0.05)


def test_a_rate_that_nobody_can_keep_shows_in_the_latency() -> None:
    assert open_loop(single(0), 110, requests=5000).percentile(99) > 300
