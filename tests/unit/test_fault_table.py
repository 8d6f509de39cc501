"""docs/evidence/faults.md has a row for every scenario that the fault tests know, and no other."""

import re

import pytest

from integration.support.load.constant import Outcome, Request
from integration.support.pages.faults import DOCUMENT, Scenario, line, made_row
from stackcli.common.paths import ROOT

SOURCES = "".join(file.read_text() for file in sorted((ROOT / "tests/integration/faults").glob("test_*.py")))


def outcome() -> Outcome:
    """100 per second for a second, the fault after 0.2 s: one is refused 0.1 s later, one waits for two seconds."""
    requests = [Request(index / 100, 0.01, "answered", "200") for index in range(100)]
    requests[30] = Request(0.3, 0.01, "refused", "503")
    requests[50] = Request(0.5, 2.0, "answered", "200")
    return Outcome(100, requests, 0.2)


@pytest.mark.parametrize("scenario", Scenario, ids=lambda scenario: scenario.value)
def test_a_test_adds_the_scenario(scenario: Scenario) -> None:
    assert f"Scenario.{scenario.name}" in SOURCES


def test_the_document_has_a_row_for_every_scenario() -> None:
    rows = re.findall(r"^\| ([^|]+?) \|", DOCUMENT.read_text().partition("## Faults that")[0], re.MULTILINE)
    assert rows[0] == "scenario"
    assert rows[1:] == [scenario.value for scenario in Scenario]


def test_recovery_counts_to_the_last_request_that_failed_or_was_held_up() -> None:
    assert outcome().seconds_to_recover == pytest.approx(0.3)


def test_a_row_counts_every_request_once() -> None:
    row = made_row(Scenario.PAUSED, outcome(), "paused for a second")
    assert (row.sent, row.answered, row.refused, row.lost, row.wrong) == (100, 99, 1, 0, 0)
    assert line(row) == "| pause and resume | 100 | 100 | 99 | 1 | 0 | 0 | 0.3 | paused for a second |\n"


def test_a_scenario_without_load_has_no_figures() -> None:
    row = made_row(Scenario.DISK_FULL, None, "FAIL")
    assert line(row) == "| the store's disk full during publish | - | - | - | - | - | - | - | FAIL |\n"
