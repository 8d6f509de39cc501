"""Grafana can read the committed dashboards, which are those of their source; no Prometheus is needed here."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from boards import __main__ as generator
from boards import document, units
from boards.queries import FOLDER, Choice, Window, dashboards, escape, filled_in, panels
from stackcli.common.paths import ROOT

Json = dict[str, Any]

DASHBOARDS = dashboards()
PANELS = [(dashboard["title"], panel) for dashboard in DASHBOARDS for panel in panels(dashboard)]
PROVISIONING = ROOT / "docker/grafana/provisioning"
# Series of other programs: node exporter, HAProxy, the JVM's client library, Prometheus itself.
OTHERS = ("node_", "haproxy_", "jvm_", "process_", "ALERTS")
OURS = ("model_", "container_", "edge_")
WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "group_left", "group_right", "bool", "offset"}

every_panel = pytest.mark.parametrize(
    "panel", [panel for _, panel in PANELS], ids=[f"{title}: {panel['title']}" for title, panel in PANELS]
)
every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[each["title"] for each in DASHBOARDS])


def series_named_in(expr: str) -> set[str]:
    """Returns the series of a query: the names that are no label, function or keyword of PromQL."""
    bare = re.sub(r'"(\\.|[^"\\])*"', "", expr)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    return {name for name in re.findall(r"(?<![\w.])[a-zA-Z_:][\w:]*\b(?!\s*\()", bare) if name not in WORDS}


def queries() -> Iterator[str]:
    for dashboard in DASHBOARDS:
        for panel in panels(dashboard):
            yield from (target["expr"] for target in panel["targets"])
        for variable in variables(dashboard):
            yield variable["query"]["query"].removeprefix("label_values(").rpartition(",")[0]


def variables(dashboard: Json) -> list[Json]:
    found: list[Json] = dashboard["templating"]["list"]
    return found


def test_what_is_committed_is_what_the_generator_writes() -> None:
    """If it fails, run docker/grafana/generate."""
    assert {file.name: file.read_text() for file in FOLDER.iterdir()} == generator.files()


def test_no_two_dashboards_share_an_address_or_a_name() -> None:
    for key in ("uid", "title"):
        assert max(Counter(dashboard[key] for dashboard in DASHBOARDS).values()) == 1


@every_dashboard
def test_no_two_panels_share_an_id_a_name_or_a_place(dashboard: Json) -> None:
    placed = dashboard["panels"]
    assert max(Counter(panel["id"] for panel in placed).values()) == 1
    assert max(Counter(panel["title"] for panel in placed).values()) == 1
    cells = Counter(
        (x, y)
        for grid in (panel["gridPos"] for panel in placed)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    )
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) < document.COLUMNS


@every_panel
def test_a_panel_has_a_title_a_unit_and_says_what_to_do(panel: Json) -> None:
    assert panel["title"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert len(panel["description"]) > 60, "one sentence of what it shows, one of what to do"
    assert all(target["legendFormat"] or panel["type"] in ("stat", "table") for target in panel["targets"])


def test_every_section_of_the_runbook_that_a_panel_names_is_there() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/guides/runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    named = {name for _, panel in PANELS for name in re.findall(r"runbook\.md#([\w-]+)", panel["description"])}
    assert named
    assert named <= anchors


def test_every_series_in_a_query_is_made_by_something_in_this_repository() -> None:
    folders = ("docker/torchserve/java", "docker/torchserve/runtime", "docker/edge/supervisor")
    makers = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in (".java", ".py")]
    text = "".join(file.read_text() for file in makers)
    named = set().union(*map(series_named_in, queries()))
    recorded = {name for name in named if ":" in name}
    ours = {name for name in named - recorded if name.startswith(OURS)}
    assert named - recorded - ours == {name for name in named if name.startswith(OTHERS)}
    assert not {name for name in ours if not re.search(rf"\b{base_name(name)}", text)}
    rules = "".join(file.read_text() for file in (ROOT / "docker/prometheus/rules").glob("*.yaml"))
    assert all(f"record: {name}\n" in rules for name in recorded)


def base_name(series: str) -> str:
    """Removes the suffix that client libraries add themselves."""
    return re.sub(r"_(bucket|sum|count|total)$", "", series)


def test_series_are_told_from_functions_labels_and_words() -> None:
    query = 'sum by (le, model) (rate(a_total{model="b_total"}[1m])) / on() group_left() (count(c:d) > 0) or vector(0)'
    assert series_named_in(query) == {"a_total", "c:d"}


# Grafana's own types need Python 3.11 or later (scripts/requirements-test.in).
if sys.version_info >= (3, 11):
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    @every_dashboard
    def test_grafanas_own_types_know_every_field(dashboard: Json) -> None:
        """A round trip through the types loses unknown fields, and fills in missing ones with their defaults."""
        register_default_plugins()
        read = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
        assert list(lost(dashboard, read)) == []

    def test_a_field_that_grafana_does_not_know_is_found() -> None:
        register_default_plugins()
        dashboard = json.loads(json.dumps(DASHBOARDS[0]))
        panels(dashboard)[0]["options"]["graphModus"] = "none"
        read = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
        assert [place for place in lost(dashboard, read) if place.endswith("graphModus")]


def lost(written: Any, read: Any, place: str = "") -> Iterator[str]:
    """Places at which `read` says something else than `written`, or nothing."""
    if isinstance(written, dict) and isinstance(read, dict):
        for key, value in written.items():
            yield from lost(value, read[key], f"{place}.{key}") if key in read else [f"{place}.{key}"]
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for number, (one, other) in enumerate(zip(written, read, strict=True)):
            yield from lost(one, other, f"{place}[{number}]")
    elif written != read:
        yield place


def provisioned(name: str) -> Json:
    found: Json = yaml.safe_load((PROVISIONING / name).read_text())
    return found


def test_the_dashboards_ask_the_datasource_that_is_provisioned() -> None:
    (datasource,) = provisioned("datasources/prometheus.yaml")["datasources"]
    assert {"type": datasource["type"], "uid": datasource["uid"]} == document.DATASOURCE
    assert datasource["url"] == "http://prometheus:9090"
    asked = [each["datasource"] for dashboard in DASHBOARDS for each in [*panels(dashboard), *variables(dashboard)]]
    assert all(each == document.DATASOURCE for each in asked)


def test_grafana_takes_the_scrape_interval_that_prometheus_has() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    scraped = services["prometheus"]["environment"]["SCRAPE_INTERVAL"].removeprefix("${SCRAPE_INTERVAL:-").rstrip("}")
    (datasource,) = provisioned("datasources/prometheus.yaml")["datasources"]
    assert datasource["jsonData"]["timeInterval"] == scraped


def test_nothing_is_edited_in_place() -> None:
    (datasource,) = provisioned("datasources/prometheus.yaml")["datasources"]
    (provider,) = provisioned("dashboards/stack.yaml")["providers"]
    assert (provider["allowUiUpdates"], provider["disableDeletion"], datasource["editable"]) == (False, True, False)
    assert not any(dashboard["editable"] for dashboard in DASHBOARDS)


def test_variables_are_filled_in_as_grafana_does() -> None:
    chosen: dict[str, Choice] = {**Window(0, 3600, 15).variables(), "model": "mnist", "version": ["1.0", "2.0"]}
    asked = 'rate(a{model="$model", version=~"$version"}[$__rate_interval])'
    assert filled_in(asked, chosen) == r'rate(a{model="mnist", version=~"(1\\.0|2\\.0)"}[60s])'
    assert filled_in("$version", {"version": ["1.0"]}) == r"1\\.0"
    assert filled_in("a[$__range] $__interval", chosen) == "a[3600s] 15s"
    assert escape("a+b") == r"a\\+b"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.00123, "s", "1.23 ms"),
        (90, "s", "1.5 min"),
        (0.999, "percentunit", "99.9 %"),
        (1.5 * 1024**3, "bytes", "1.5 GiB"),
        (1234.5, "reqps", "1,234 req/s"),
        (float("nan"), "none", "—"),
        (3, "none", "3"),
    ],
)
def test_a_number_is_written_with_its_unit(value: float, unit: str, said: str) -> None:
    assert units.text(value, unit) == said


def test_the_page_shows_every_dashboard() -> None:
    page = (ROOT / "docs/evidence/dashboards.md").read_text()
    for dashboard in DASHBOARDS:
        picture = Path("dashboards") / f"{dashboard['uid'].partition('-')[2]}.png"
        assert f"]({picture})" in page
        assert (ROOT / "docs/evidence" / picture).is_file()
