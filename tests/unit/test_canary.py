"""`release promote --auto` decides by the edge's access log."""

import json
from typing import Any

import pytest

from stackcli.release.canary import Sample, judge, read_samples, samples_table

MIN_REQUESTS = 200


def line(**changes: Any) -> str:
    request = {"model": "mnist", "version": "1.0", "routed": "stable", "status": 200, "ms": 3, "retries": "0"}
    return json.dumps({**request, **changes})


def sample(version: str, requests: int, failed: int = 0, ms: float = 10.0, slow: float = 0.0) -> Sample:
    """Makes a sample; `slow`: milliseconds of the slowest two in a hundred, `ms`: of the others."""
    good = requests - failed
    return Sample(version, failed, [slow or ms if i % 50 == 0 else ms for i in range(good)])


def test_only_what_the_canary_decides_is_compared() -> None:
    lines = [
        line(),
        line(version="2.0", routed="canary", ms=4.5),
        line(version="2.0", routed="-"),
        line(version="3.0"),
        line(model="densenet161"),
        "edge: in force: {}",
        "{half a line",
        "[1]",
    ]
    stable, canary = read_samples(lines, "mnist", ("1.0", "2.0"))
    assert (stable.latencies, canary.latencies) == ([3.0], [4.5])


@pytest.mark.parametrize(
    ("changes", "failed", "answered"),
    [
        ({"status": 500}, 1, 0),
        ({"status": 400}, 1, 0),
        ({"retries": "+1"}, 1, 0),
        ({"retries": "2"}, 1, 0),
        ({"status": -1}, 0, 0),
        ({"status": 200}, 0, 1),
    ],
)
def test_failed_is_every_error_and_what_had_to_be_asked_again(
    changes: dict[str, Any], failed: int, answered: int
) -> None:
    (stable,) = read_samples([line(**changes)], "mnist", ("1.0",))
    assert (stable.failed, len(stable.latencies)) == (failed, answered)


@pytest.mark.parametrize(
    ("stable", "canary", "decision", "reason"),
    [
        (sample("1.0", 2000), sample("2.0", 200), "promote", "error rate 0.00% and p99 10.0 ms (at most 17.0)"),
        (sample("1.0", 2000, failed=40), sample("2.0", 200, failed=6), "promote", "error rate 3.00%"),
        (sample("1.0", 2000), sample("2.0", 199), "undecided", "2.0 had 199 requests, of 200 needed"),
        (sample("1.0", 0), sample("2.0", 900), "undecided", "1.0 had 0 requests"),
        (sample("1.0", 2000), sample("2.0", 200, failed=20), "roll back", "error rate 10.00%, 1.0's is 0.00%"),
        (sample("1.0", 2000), sample("2.0", 200, failed=4), "undecided", "too few requests to tell"),
        (sample("1.0", 2000), sample("2.0", 200, failed=200), "roll back", "error rate 100.00%"),
        (sample("1.0", 2000), sample("2.0", 200, slow=17.0), "promote", "p99 17.0 ms"),
        (sample("1.0", 2000), sample("2.0", 200, slow=17.1), "roll back", "p99 17.1 ms, of at most 17.0"),
        (sample("1.0", 300, failed=300), sample("2.0", 300), "promote", "error rate 0.00%"),
        (sample("1.0", 300, failed=300), sample("2.0", 300, failed=300), "roll back", "p99 nan ms"),
    ],
)
def test_the_rule_decides(stable: Sample, canary: Sample, decision: str, reason: str) -> None:
    verdict = judge(stable, canary, MIN_REQUESTS)
    assert (verdict.decision, reason in verdict.reason) == (decision, True), verdict


def test_the_table_shows_both_versions() -> None:
    table = samples_table([sample("1.0", 2000), sample("2.0", 200, failed=200)])
    assert [list(column.cells) for column in table.columns] == [
        ["1.0", "2.0"],
        ["2000", "200"],
        ["0", "200"],
        ["0.00%", "100.00%"],
        ["10.0", "nan"],
        ["10.0", "nan"],
    ]
