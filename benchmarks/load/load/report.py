"""One HTML page on a set of runs: table and plots, everything inside the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from load import plots


def render(results: dict[str, Any]) -> str:
    """`results`: a results.json as `scripts/stack bench` writes it."""
    runs = [{**run, "label": label(run)} for run in results["runs"]]
    answered = [run for run in runs if run["latency_ms"]]
    drawn = {
        "rate": plots.latency_against_rate(answered),
        "histograms": plots.histograms(answered) if answered else None,
        "connections": plots.throughput_against_connections(answered),
    }
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "report.html").read_text(encoding="utf-8")
    )
    svg = {name: Markup(plot) for name, plot in drawn.items() if plot}  # noqa: S704 - made above, by matplotlib
    return template.render(results=results, runs=runs, svg=svg)


def label(run: dict[str, Any]) -> str:
    if run["mode"] == "closed":
        return f"{run['connections']} conn."
    rate = run["offered_rate"]
    return f"{rate:.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
