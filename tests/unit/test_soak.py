"""Every request of a soak is in one row of its table, and memory is compared third with third."""

import pytest

from soak.results import MIB, Results, Sample, render

OTHERS = {
    '500 {"code": 500, "type": "InternalServerException", "message": "Worker died."}': 7,
    '503 {"code": 503, "type": "ServiceUnavailableException", "message": "no | worker"}': 3,
    "200 8": 1,
}


@pytest.fixture
def results() -> Results:
    machine = {"cpu": "a CPU", "cores": 2, "memory_gib": 24, "system": "Debian"}
    memory = [Sample(10.0 * number, (500 if number < 3 else 600 if number < 6 else 606) * MIB) for number in range(9)]
    errors = {"wrong": 1, "non-2xx": 10, "reset": 2}
    load = {"requests": 100, "errors": errors, "others": OTHERS, "latency_ms": {"p50": 1, "p99": 2, "max": 3}}
    return Results(machine, "2026-11-24", 30, 3000.0, 1500, [60.0, 120.0], memory, load)


def test_the_rows_add_up_to_what_was_sent(results: Results) -> None:
    assert (results.wrong, results.lost_in_worker, results.lost) == (1, 7, {"reset": 2})
    assert sum(results.refused.values()) == 3
    assert results.right == 100 - 1 - 7 - 3 - 2


def test_growth_is_the_last_third_against_the_second(results: Results) -> None:
    assert results.growth == pytest.approx(0.01)


def test_the_document_names_every_count(results: Results) -> None:
    text = render(results)
    for row in (
        "| sent | 100 |",
        "| right | 87 |",
        "| lost in a killed worker | 7 |",
        "| lost otherwise | 2 | 2 × reset |",
    ):
        assert row in text
    assert "no \\| worker" in text
    assert "+1.0%" in text
