"""Draws the report's plots as inline SVG in the page's text colour, so that they are legible in light and dark mode."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

INK = "#010203"  # a placeholder used for nothing else, which is replaced by the page's text colour
# The colours have a contrast of 3:1 on white and on black.
SERIES = {"p50": ("#2a9d8f", "o"), "p90": ("#c77d0a", "s"), "p99": ("#d1495b", "^")}
BAR = "#3f88c5"
STYLE = {
    "svg.fonttype": "none",  # keeps text as text, in the page's font
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
}
PRECISIONS = {"f32": SERIES["p50"], "bf16": SERIES["p90"], "int8": SERIES["p99"]}
Run = dict[str, Any]
TICKS = [digit * 10.0**power for power in range(-4, 7) for digit in (1, 2, 5)]  # ms


def latency_against_rate(runs: list[Run]) -> str | None:
    """Plots percentiles of the open-loop runs; returns None if there are none."""
    points = sorted((run for run in runs if run["mode"] == "open"), key=lambda run: run["offered_rate"])
    if not points:
        return None
    with mpl.rc_context(STYLE):
        figure, axis = _figure(3.4)
        rates = [run["offered_rate"] for run in points]
        for name, (colour, marker) in SERIES.items():
            latencies = [run["latency_ms"][name] for run in points]
            axis.plot(rates, latencies, color=colour, marker=marker, label=name)
        axis.set(xlabel="offered rate (requests/s)", ylabel="latency (ms)", xlim=(0, None))
        _scale_latencies(axis, "y", [run["latency_ms"][name] for run in points for name in SERIES])
        axis.legend()
        return _svg(figure, "rate")


def throughput_against_connections(runs: list[Run]) -> str | None:
    """Plots the throughput of the closed-loop runs; returns None if there are none."""
    points = sorted((run for run in runs if run["mode"] == "closed"), key=lambda run: run["connections"])
    if not points:
        return None
    with mpl.rc_context(STYLE):
        figure, axis = _figure(2.8)
        bars = axis.bar(
            [str(run["connections"]) for run in points],
            [run["achieved_rate"] for run in points],
            width=0.5,
            color=BAR,
        )
        axis.bar_label(bars, fmt="%.0f" if max(bar.get_height() for bar in bars) >= 100 else "%.1f")
        axis.set(xlabel="connections", ylabel="requests/s")
        axis.grid(visible=False, axis="x")
        return _svg(figure, "connections")


def histograms(runs: list[Run]) -> str:
    """Plots a row per run on a common latency axis; the height is the density over the logarithm of the latency."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 0.7 + 0.6 * len(runs)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(len(runs), 1, sharex=True, squeeze=False)[:, 0]
        for axis, run in zip(axes, runs):
            edges = np.array(run["histogram"]["edges_ms"])
            density = np.array(run["histogram"]["counts"]) / np.diff(np.log(edges))
            axis.stairs(density / density.max(), edges, fill=True, color=BAR, alpha=0.8)
            for name, (colour, _) in SERIES.items():
                axis.axvline(run["latency_ms"][name], color=colour, label=name)
            axis.set(yticks=[], ylim=(0, 1.05))
            axis.spines["left"].set_visible(False)
            axis.set_ylabel(run["label"], rotation=0, ha="right", va="center")
            axis.grid(axis="x")
        axes[0].legend(ncols=len(SERIES), loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        axes[-1].set_xlabel("latency (ms)")
        _scale_latencies(axes[-1], "x", [edge for run in runs for edge in run["histogram"]["edges_ms"]])
        return _svg(figure, "histograms")


def latency_against_throughput(candidates: list[dict[str, Any]]) -> str | None:
    """Plots each setting's p99 against its throughput, and the Pareto front as a line; None if there are none."""
    if not candidates:
        return None
    with mpl.rc_context(STYLE):
        figure, axis = _figure(4)
        front = sorted((c["rate"], c["latency_ms"]["p99"]) for c in candidates if c["is_on_front"])
        axis.plot(*zip(*front), color=INK, linewidth=1, label="Pareto front", zorder=1)
        for precision, (colour, marker) in PRECISIONS.items():
            points = [c for c in candidates if (c["precision"] or "f32") == precision]
            axis.scatter(
                [c["rate"] for c in points],
                [c["latency_ms"]["p99"] for c in points],
                marker=marker,
                edgecolors=colour,
                facecolors=[colour if c["is_finalist"] else "none" for c in points],
                label=precision if points else None,
            )
        for candidate in candidates:
            names = [name for name in ("default", "chosen") if candidate[f"is_{name}"]]
            point = candidate["rate"], candidate["latency_ms"]["p99"]
            axis.annotate(" and ".join(names), point, xytext=(0, 8), textcoords="offset points", ha="center")
        most = max(c["rate"] for c in candidates)
        axis.set(xlabel="requests/s", ylabel="p99 latency (ms)", xlim=(0, 1.1 * most))
        _scale_latencies(axis, "y", [c["latency_ms"]["p99"] for c in candidates])
        axis.legend()
        return _svg(figure, "front")


def _figure(height: float) -> tuple[Figure, Any]:
    """Makes a figure without pyplot, which keeps global state. `height`: inches."""
    figure = Figure(figsize=(8, height), layout="constrained")
    FigureCanvasSVG(figure)
    axis = figure.subplots()
    axis.grid(visible=True)
    return figure, axis


def _scale_latencies(axis: Any, name: str, values: Sequence[float]) -> None:
    """Makes axis `x` or `y` logarithmic, with ticks at 1, 2 and 5 of each decade, including both ends."""
    low, high = min(values), max(values)
    limits = max(tick for tick in TICKS if tick <= low), min(tick for tick in TICKS if tick >= high)
    axis.set(**{f"{name}scale": "log", f"{name}lim": limits})
    which = getattr(axis, f"{name}axis")
    which.set_major_locator(FixedLocator(TICKS))
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    which.set_minor_locator(NullLocator())


def _svg(figure: Figure, salt: str) -> str:
    """Returns only the <svg> element, without prolog, metadata, style, fixed size, or IDs shared with other plots."""
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    svg = file.getvalue()
    svg = re.sub(
        r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", svg[svg.index("<svg") :], flags=re.DOTALL
    )
    svg = re.sub(r' (xmlns(:xlink)?|width|height|version)="[^"]*"', "", svg, count=5)
    svg = re.sub(r'(<g) id="[\w.]+_\d+"', r"\1", svg)
    return svg.replace(INK, "currentColor").replace("xlink:href", "href")
