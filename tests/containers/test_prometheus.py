"""Prometheus' own tools, from its image, accept docker/prometheus, and its rules pass their test cases."""

import pytest

from containers.commands import run
from stackcli.common.paths import ROOT
from stackcli.project.compose import Project
from stackcli.testing.suites import build_command

CASES = ROOT / "tests/checks/prometheus"


@pytest.fixture(scope="module")
def image(project: Project) -> str:
    tag = project.settings.image_of("prometheus")
    run(build_command(project, "prometheus", tag))
    return tag


def run_tool(image: str, *command: str) -> None:
    tests = f"--volume={CASES}:/tests:ro"
    hardened = ["--network=none", "--read-only", "--tmpfs=/tmp:mode=1777"]
    run(["docker", "run", "--rm", *hardened, tests, f"--entrypoint={command[0]}", image, *command[1:]])


def test_promtool_accepts_the_configuration_and_its_rules(image: str) -> None:
    # The interval is filled in as by prometheus.sh.
    filled = "sed s/SCRAPE_INTERVAL/15s/ /etc/prometheus/prometheus.yaml >/tmp/prometheus.yaml"
    run_tool(image, "sh", "-c", f"{filled} && promtool check config /tmp/prometheus.yaml")


def test_promtool_finds_every_rule_to_do_what_its_cases_say(image: str) -> None:
    run_tool(image, "promtool", "test", "rules", *[f"/tests/{file.name}" for file in sorted(CASES.glob("*.yaml"))])


def test_amtool_accepts_the_alertmanagers_configuration(image: str) -> None:
    run_tool(image, "amtool", "check-config", "/etc/prometheus/alertmanager.yaml")
