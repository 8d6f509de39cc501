"""Renders a set of runs as a self-contained HTML page with a table and plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from load import plots


def render(results: dict[str, Any]) -> str:
    """Returns the page for a results.json that `scripts/stack bench` or `scripts/stack tune` wrote."""
    return _tuning(results) if "candidates" in results else _load(results)


def _load(results: dict[str, Any]) -> str:
    runs = [{**run, "label": label(run)} for run in results["runs"]]
    answered = [run for run in runs if run["latency_ms"]]
    drawn = {
        "rate": plots.latency_against_rate(answered),
        "histograms": plots.histograms(answered) if answered else None,
        "connections": plots.throughput_against_connections(answered),
    }
    return _page("report.html", drawn, results=results, runs=runs)


def _tuning(results: dict[str, Any]) -> str:
    candidates = sorted(results["candidates"], key=lambda candidate: candidate["rate"], reverse=True)
    answered = [candidate for candidate in candidates if candidate["latency_ms"]]
    chosen = next((candidate for candidate in candidates if candidate["is_chosen"]), None)
    drawn = {"front": plots.latency_against_throughput(answered)}
    return _page("tune.html", drawn, results=results, candidates=candidates, chosen=chosen)


def _page(template: str, drawn: dict[str, str | None], **content: Any) -> str:
    """Fills a template. `drawn`: <svg> elements by name, None if there was nothing to draw."""
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    svg = {name: Markup(plot) for name, plot in drawn.items() if plot}  # noqa: S704 - made above, by matplotlib
    return environment.get_template(template).render(svg=svg, **content)


def label(run: dict[str, Any]) -> str:
    if run["mode"] == "closed":
        return f"{run['connections']} conn."
    rate = run["offered_rate"]
    return f"{rate:.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
