"""The building blocks of a dashboard: panels, rows and variables, in a common style. Contains no queries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = dict[str, Any]

GREEN, YELLOW, ORANGE, RED = "#73BF69", "#FADE2A", "#FF9830", "#E02F44"
BLUE, PURPLE, TEAL, GREY = "#5794F2", "#B877D9", "#2CC5B7", "#8E8E8E"
# Colours by meaning, the same on every dashboard; selected by the beginning of a legend's text.
OUTCOMES = {"2xx": GREEN, "4xx": YELLOW, "5xx": RED}
QUANTILES = {"p50": BLUE, "p90": PURPLE, "p99": ORANGE}
STAGES = {"queue": ORANGE, "decode": BLUE, "inference": PURPLE, "encode": TEAL}
STATES = {"ready": GREEN, "starting": YELLOW, "failed": RED}
# Legends of limits, which are drawn as dashed lines.
LIMITS = ("objective", "capacity", "limit", "cores", "total")

Form = Literal["time_series", "table", "heatmap"]


@dataclass(frozen=True)
class Query:
    """One query. legend: may contain Grafana's {{label}}; instant: a single current value instead of a line."""

    expr: str
    legend: str = ""
    instant: bool = False
    form: Form = "time_series"


@dataclass(frozen=True)
class Panel:
    """One panel. kind: the plugin's name; width: of 24 columns; height: rows of 30 px; the rest: plugin settings."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    height: int
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Row:
    """A heading with the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A dashboard variable. query: Grafana's label_values(series, label)."""

    name: str
    label: str
    query: str
    many: bool = False


@dataclass(frozen=True)
class Dashboard:
    """A dashboard. uid: the last part of its address, /d/UID."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()


def row(title: str, *panels: Panel) -> Row:
    return Row(title, panels)


def steps(*limits: tuple[float, str], base: str = GREEN) -> Json:
    """Returns thresholds: each colour applies from its value on, `base` below all of them."""
    rising: list[Json] = [{"color": base, "value": None}]
    return {"mode": "absolute", "steps": rising + [{"color": colour, "value": value} for value, colour in limits]}


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 8,
    height: int = 8,
    stacked: bool = False,
    colours: dict[str, str] | None = None,
    bad: float | None = None,
    top: float | None = None,
    wide_range: bool = False,
) -> Panel:
    """Values over time. bad: draws a dashed line above which there is trouble; top: the axis' natural maximum, if any.

    wide_range: makes the axis logarithmic.
    """
    custom: Json = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }
    # Colours by name, so that a model has the same colour in every panel.
    defaults: Json = {"color": {"mode": "palette-classic-by-name"}}
    if wide_range:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    else:
        defaults["min"] = 0
    if top is not None:
        defaults["max"] = top
    if bad is not None:
        defaults["thresholds"] = steps((bad, RED), base="transparent")
        custom["thresholdsStyle"] = {"mode": "dashed"}
    options: Json = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    coloured = [_fixed(prefix, colour) for prefix, colour in (colours or {}).items()]
    dashed = [_dashed(name) for name in LIMITS if any(query.legend.startswith(name) for query in queries)]
    overrides = (*coloured, *dashed)
    return Panel("timeseries", title, description, unit, queries, width, height, options, custom, defaults, overrides)


def stat(
    title: str,
    description: str,
    query: Query,
    *,
    unit: str,
    thresholds: Json | None = None,
    width: int = 4,
    **more: Any,
) -> Panel:
    """One number, coloured by its thresholds; more: further field defaults, such as decimals or mappings."""
    options: Json = {
        "colorMode": "background" if thresholds else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "textMode": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    defaults = {"color": {"mode": "thresholds"}, "thresholds": thresholds or steps(base=BLUE), **more}
    now = replace(query, instant=True)
    return Panel("stat", title, description, unit, (now,), width, 4, options, {}, defaults)


def table(
    title: str,
    description: str,
    *queries: Query,
    columns: dict[str, str],
    units: dict[str, str] | None = None,
    links: dict[str, str] | None = None,
    width: int = 24,
    height: int = 6,
) -> Panel:
    """One row per series. columns: {label or "Value #A": heading}, the only ones shown; links: {heading: address}."""
    asked = tuple(replace(query, instant=True, form="table") for query in queries)
    shown = {"pattern": "^(" + "|".join(columns) + ")$"}
    order = {name: place for place, name in enumerate(columns)}
    transformations = (
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": shown}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": columns, "excludeByName": {}}},
    )
    overrides = [_override("byName", heading, "unit", unit) for heading, unit in (units or {}).items()]
    for heading, address in (links or {}).items():
        overrides.append(_override("byName", heading, "links", [{"title": "Open", "url": address}]))
    options: Json = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"]}}
    return Panel(
        "table", title, description, "none", asked, width, height, options,
        {"align": "left", "inspect": False}, {}, tuple(overrides), transformations,
    )  # fmt: skip


def heatmap(title: str, description: str, query: Query, *, unit: str, width: int = 12, height: int = 8) -> Panel:
    """The number of requests in each bucket of a histogram over time. unit: the buckets' unit."""
    options: Json = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 64,
            "reverse": False,
            "exponent": 0.5,
            "fill": ORANGE,
        },
        "yAxis": {"unit": unit, "axisPlacement": "left", "reverse": False},
        "rowsFrame": {"layout": "auto"},
        "filterValues": {"le": 1e-9},
        "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": False},
        "legend": {"show": True},
        "exemplars": {"color": RED},
        "showValue": "never",
    }
    asked = replace(query, form="heatmap", legend="{{le}}")
    return Panel("heatmap", title, description, unit, (asked,), width, height, options)


def _fixed(prefix: str, colour: str) -> Json:
    return _override("byRegexp", f"/^{prefix}/", "color", {"mode": "fixed", "fixedColor": colour})


def _dashed(prefix: str) -> Json:
    style = {
        "lineStyle": {"fill": "dash", "dash": [8, 6]},
        "fillOpacity": 0,
        "stacking": {"mode": "none", "group": "B"},
    }
    made = _override("byRegexp", f"/^{prefix}/", "color", {"mode": "fixed", "fixedColor": RED})
    made["properties"] += [{"id": f"custom.{name}", "value": value} for name, value in style.items()]
    return made


def _override(matcher: str, matched: str, name: str, value: Any) -> Json:
    return {"matcher": {"id": matcher, "options": matched}, "properties": [{"id": name, "value": value}]}
