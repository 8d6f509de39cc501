"""The rules of docker/prometheus: each is tried, fired and silent (containers/test_prometheus.py), and explained."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from stackcli.cli import make_app
from stackcli.common.paths import ROOT

PROMETHEUS = ROOT / "docker/prometheus"
TESTS = sorted((ROOT / "tests/checks/prometheus").glob("*.yaml"))
RUNBOOK = ROOT / "docs/guides/runbook.md"


def load(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


RULES = [
    rule
    for file in sorted((PROMETHEUS / "rules").glob("*.yaml"))
    for group in load(file)["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = [rule["record"] for rule in RULES if "record" in rule]
CASES = [case for file in TESTS for case in load(file)["tests"]]


@pytest.mark.parametrize("alert", ALERTS)
def test_the_alert_has_a_case_in_which_it_fires_and_one_in_which_it_never_does(alert: str) -> None:
    tried = [
        [bool(check["exp_alerts"]) for check in case.get("alert_rule_test", []) if check["alertname"] == alert]
        for case in CASES
    ]
    assert any(any(fired) for fired in tried)
    assert any(fired and not any(fired) for fired in tried)


@pytest.mark.parametrize("record", RECORDED)
def test_the_recording_rule_has_a_case_with_a_value(record: str) -> None:
    checks = [check for case in CASES for check in case.get("promql_expr_test", [])]
    assert any(record in check["expr"] and check["exp_samples"] for check in checks)


@pytest.mark.parametrize("alert", ALERTS)
def test_the_alert_says_how_urgent_it_is_what_it_is_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/guides/runbook.md#{alert.lower()}"


def test_the_runbook_has_a_section_for_every_alert_and_for_no_other() -> None:
    sections = re.findall(r"^## ([A-Z]\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`scripts/stack ([^`]+)`", RUNBOOK.read_text()))))
def test_the_runbook_names_a_command_that_there_is(command: str) -> None:
    found, words = typer.main.get_command(make_app()), command.split()
    while isinstance(found, typer.core.TyperGroup):
        found, words = found.commands[words[0]], words[1:]
    found.make_context("stack", words)  # raises for an option or an argument that it does not take
