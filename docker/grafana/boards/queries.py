"""Runs the dashboards' queries on a Prometheus as Grafana does, but without Grafana; for the tests and the pictures.

For how Grafana substitutes variables, see its sources, public/app/plugins/datasource/prometheus (interpolateQueryExpr,
prometheusSpecialRegexEscape), and its documentation of `$__rate_interval`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import requests

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"
# Approximate width of a full-width panel in pixels; Grafana requests one value per pixel.
POINTS = 600
LABEL_VALUES = re.compile(r"label_values\((?P<series>.+), *(?P<label>\w+)\)$")

Json = dict[str, Any]
# The value of a variable: one or several.
Choice = Union[str, list[str]]


@dataclass(frozen=True)
class Series:
    """One line of a panel. points: (seconds since 1970, value), with NaN for a missing value."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True)
class Window:
    """The time range from `end - seconds` to `end` (seconds since 1970); scrape: Prometheus' interval in seconds."""

    end: float
    seconds: float
    scrape: float

    @property
    def interval(self) -> float:
        """The seconds between two values."""
        return max(self.scrape, round(self.seconds / POINTS))

    def variables(self) -> dict[str, str]:
        """Returns Grafana's built-in variables."""
        rate = max(self.interval + self.scrape, 4 * self.scrape)
        of_own = {"__interval": self.interval, "__rate_interval": rate, "__range": self.seconds}
        return {name: f"{round(seconds)}s" for name, seconds in of_own.items()}


def dashboards() -> list[Json]:
    """Returns the dashboards as committed."""
    return [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]


def panels(dashboard: Json) -> list[Json]:
    """Returns a dashboard's panels without the row headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def filled_in(text: str, variables: Mapping[str, Choice]) -> str:
    """Returns a query with its variables replaced by values, several values as a regular expression's group."""

    def value(match: re.Match[str]) -> str:
        chosen = variables[match.group(1)]
        if isinstance(chosen, str):
            return chosen
        escaped = [escape(each) for each in chosen]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"

    return re.sub(r"\$(\w+)", value, text)


def escape(text: str) -> str:
    """Escapes text for a regular expression inside a PromQL string."""
    return re.sub(r"[$^*{}\[\]'+?.()|]", r"\\\\\g<0>", text.replace("\\", "\\\\\\\\"))


class Prometheus:
    """A client for the HTTP API of a Prometheus, for example at http://127.0.0.1:9090."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._session = requests.Session()
        self._session.trust_env = False  # Prometheus is local, so never use a proxy

    def ask(self, path: str, **parameters: Any) -> Any:
        """Returns the answer's data. Raises AssertionError with Prometheus' own message if it refuses."""
        answer = self._session.get(f"{self._address}/api/v1/{path}", params=parameters, timeout=30)
        said = answer.json()
        assert said["status"] == "success", f"{parameters}: {said['error']}"
        return said["data"]

    def scrape_interval(self) -> float:
        """Returns the configured interval in seconds."""
        text = self.ask("status/config")["yaml"]
        found = re.search(r"scrape_interval: (\d+)(m?)s", text)
        assert found, f"expected scrape_interval in {text[:200]}"
        return int(found[1]) / (1000 if found[2] else 1)

    def choices(self, dashboard: Json, window: Window, wanted: Mapping[str, Choice] | None = None) -> dict[str, Choice]:
        """Returns each variable's value: as wanted, else Grafana's default (the first, or all if it allows several)."""
        chosen: dict[str, Choice] = {}
        for variable in dashboard["templating"]["list"]:
            values = self.values(variable["query"]["query"], chosen, window)
            assert values, f"{dashboard['title']}: nothing to choose from in {variable['name']}"
            first = values if variable["multi"] else values[0]
            chosen[variable["name"]] = first if variable["multi"] else (wanted or {}).get(variable["name"], first)
        return chosen

    def values(self, query: str, chosen: Mapping[str, Choice], window: Window) -> list[str]:
        """Returns the results of a variable's label_values(series, label), sorted."""
        asked = LABEL_VALUES.match(filled_in(query, chosen))
        assert asked, f"expected label_values(series, label), found {query}"
        span = {"start": window.end - window.seconds, "end": window.end}
        found = self.ask(f"label/{asked['label']}/values", **{"match[]": asked["series"]}, **span)
        return sorted(found)

    def answer(self, target: Json, chosen: Mapping[str, Choice], window: Window) -> list[Series]:
        """Returns the result of one of a panel's queries."""
        expr = filled_in(target["expr"], {**window.variables(), **chosen})
        if target["instant"]:
            found = self.ask("query", query=expr, time=window.end)
            return [Series(each["metric"], list(_points([each["value"]]))) for each in found["result"]]
        span = {"start": window.end - window.seconds, "end": window.end, "step": window.interval}
        found = self.ask("query_range", query=expr, **span)
        return [Series(each["metric"], list(_points(each["values"]))) for each in found["result"]]


def _points(values: list[list[Any]]) -> Iterator[tuple[float, float]]:
    for moment, value in values:
        yield float(moment), float(value)
