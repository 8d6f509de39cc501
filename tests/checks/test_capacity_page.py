"""docs/evidence/capacity.md is what its code makes of what was measured, and that is what it promises."""

import pytest

from scale_out.limits import RATES, Capacity
from scale_out.page import DOCUMENT, WITHIN, error_of, render
from scale_out.prediction import predict
from scale_out.results import Measured, read


@pytest.fixture(scope="module")
def measured() -> Measured:
    return read()


@pytest.fixture(scope="module")
def capacity(measured: Measured) -> Capacity:
    return Capacity(measured, measured.bench.replica())


def test_the_page_is_what_was_measured(measured: Measured) -> None:
    assert DOCUMENT.read_text() == render(measured), "try benchmarks/scale_out/run --page-only"


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_the_throughput_of_several_is_predicted_from_one(measured: Measured, capacity: Capacity, replicas: int) -> None:
    assert abs(error_of(predict(capacity.replica, replicas), measured)) <= WITHIN


def test_ten_times_the_requests_take_ten_times_the_replicas_but_for_the_one_to_lose(capacity: Capacity) -> None:
    few, many = (capacity.step(rate).plan.enough.replicas for rate in RATES[-2:])
    assert many == pytest.approx(10 * few, rel=0.1)


def test_every_limit_says_what_replaces_it(capacity: Capacity) -> None:
    limits = list(capacity.limits())
    assert all(limit.rate > 0 and limit.then for limit in limits)
    assert len({limit.what for limit in limits}) == len(limits)
