"""Converts a dashboard to the JSON that Grafana reads.

Its fields are those of Grafana's dashboard schema (github.com/grafana/grafana, kinds/dashboard); a test reads every
file with Grafana's own types.
"""

from __future__ import annotations

from boards.panels import Dashboard, Json, Panel, Query, Row, Variable

# The same as in provisioning/datasources/prometheus.yaml.
DATASOURCE: Json = {"type": "prometheus", "uid": "prometheus"}
TAG = "torchserve-stack"
COLUMNS = 24


def dashboard_json(board: Dashboard) -> Json:
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": [TAG],
        "schemaVersion": 39,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "fiscalYearStartMonth": 0,
        "links": [_link_to_the_others()],
        "templating": {"list": [_variable_json(variable) for variable in board.variables]},
        "annotations": {"list": []},
        "panels": _placed(board.rows),
    }


def _placed(rows: tuple[Row, ...]) -> list[Json]:
    """Lays out every row: its heading, and below it its panels from left to right, wrapping when a line is full."""
    placed: list[Json] = []
    top = 0
    for each in rows:
        at = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
        heading = {"type": "row", "title": each.title, "collapsed": False, "gridPos": at, "panels": []}
        placed.append({**heading, "id": len(placed) + 1})
        top, left, tallest = top + 1, 0, 0
        for panel in each.panels:
            if left + panel.width > COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            at = {"x": left, "y": top, "w": panel.width, "h": panel.height}
            placed.append(_panel_json(panel, len(placed) + 1, at))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return placed


def _panel_json(panel: Panel, number: int, at: Json) -> Json:
    made: Json = {
        "type": panel.kind,
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": at,
        "targets": [_target_json(query, chr(ord("A") + place)) for place, query in enumerate(panel.queries)],
        "options": panel.options,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, **panel.defaults, "custom": panel.custom},
            "overrides": list(panel.overrides),
        },
    }
    if panel.transformations:
        made["transformations"] = list(panel.transformations)
    return made


def _target_json(query: Query, letter: str) -> Json:
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "instant": query.instant,
        "range": not query.instant,
        "format": query.form,
        "editorMode": "code",
    }


def _variable_json(variable: Variable) -> Json:
    """Returns a variable that is refreshed when the time range changes (2) and sorted by name (1)."""
    made: Json = {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "multi": variable.many,
        "includeAll": variable.many,
    }
    if variable.many:
        made["current"] = {"text": ["All"], "value": ["$__all"]}
    return made


def _link_to_the_others() -> Json:
    return {
        "type": "dashboards", "title": "Dashboards", "icon": "external link", "tooltip": "", "tags": [TAG],
        "asDropdown": False, "targetBlank": False, "includeVars": True, "keepTime": True,
    }  # fmt: skip
