"""docs/reference/http-api.md names every port that is published, every route that was asked, and every refusal."""

import re

import pytest
import yaml

from integration.support.pages.access import ADMIN, EVERYBODY, PREDICT, ROUTES
from stackcli.common.paths import ROOT

PAGE = (ROOT / "docs/reference/http-api.md").read_text()
EDGE = PAGE.partition("## Port 8000")[2].partition("\n## ")[0]
WHO = {"anyone": EVERYBODY, "any key": PREDICT, "an `admin` key": ADMIN}
SERVICES = ("torchserve", "edge")
# A word in capitals stands for one segment of a path.
ROW = re.compile(r"^\| (`/[^|]*`) \| [^|]+ \| ([^|]+) \|", re.MULTILINE)
# What the table of access asks for, and answers 404 to.
NO_ROUTES = {"/models/mnist/1.0/set-default", "/metrics", "/anything/else"}


def rows() -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """A route of the edge's table as a pattern → who may ask for it."""
    found = []
    for cell, who in ROW.findall(EDGE):
        for route in re.findall(r"`([^`]+)`", cell):
            pattern = re.sub(r"[A-Z]{2,}", "[^/]+", re.escape(route)).replace("…", ".+")
            found.append((re.compile(pattern), WHO[who.strip()]))
    return found


def answering(route: str) -> tuple[str, ...] | None:
    """Who may ask for a route, by the most exact row; None if no row has it."""
    fitting = [(len(pattern.pattern.replace("[^/]+", "")), who) for pattern, who in rows() if pattern.fullmatch(route)]
    return max(fitting, key=lambda row: row[0])[1] if fitting else None


@pytest.mark.parametrize("route", sorted(ROUTES.keys() - NO_ROUTES))
def test_who_may_call_a_route_is_what_the_closed_stack_answers(route: str) -> None:
    assert answering(route) == ROUTES[route]


@pytest.mark.parametrize("route", sorted(NO_ROUTES))
def test_no_other_route_is_promised(route: str) -> None:
    assert answering(route) is None


def test_every_published_port_has_a_section() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    published = {port.rpartition(":")[2] for name in SERVICES for port in services[name]["ports"]}
    headings = " ".join(re.findall(r"^## Ports? (.+)$", PAGE, re.MULTILINE))
    assert set(re.findall(r"\d{4}", headings)) == published


def test_every_status_of_the_edges_own_answers_is_explained() -> None:
    templates = "".join(path.read_text() for path in (ROOT / "docker/edge/templates").iterdir())
    explained = {status for cell in re.findall(r"^\| ([\d, ]+) \|", EDGE, re.MULTILINE) for status in cell.split(", ")}
    assert set(re.findall(r"error\((\d{3}),", templates)) <= explained
