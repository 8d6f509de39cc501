"""Draws results.json as bars of requests per second, where matplotlib is: python plot.py results.json peers.svg."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

matplotlib.rcParams["svg.hashsalt"] = "peers"  # the same figures, the same file

TABLES = {"out-of-the-box": "out of the box", "equal-engine": "equal engine"}
OURS = "ours"
# From few connections to many.
PEER_SHADES = ("#b7c9db", "#6d97bb", "#2c5d85")
OURS_SHADES = ("#f0b9c1", "#e07d8c", "#c9374b")


def draw(results: dict, target: Path) -> None:
    """Draws one panel per model and table."""
    models = list(dict.fromkeys(run["model"] for run in results["runs"]))
    tables = [table for table in TABLES if any(run["table"] == table for run in results["runs"])]
    size = (6.5 * len(tables), 4.6 * len(models))
    figure, axes = plt.subplots(len(models), len(tables), figsize=size, squeeze=False, layout="constrained")
    for row, model in zip(axes, models, strict=True):
        for axis, table in zip(row, tables, strict=True):
            runs = [run for run in results["runs"] if (run["model"], run["table"]) == (model, table)]
            if runs:
                draw_panel(axis, runs, results["names"])
            axis.set_title(f"{model}, {TABLES[table]}", fontsize=11)
    figure.savefig(target, facecolor="white", metadata={"Date": None})


def draw_panel(axis: plt.Axes, runs: list, names: dict) -> None:
    """Draws one group of bars per server, the fastest on top, with one bar per number of connections."""
    rates = {(run["peer"], run["connections"]): run["rate"] for run in runs}
    connections = sorted({run["connections"] for run in runs})
    peers = sorted({run["peer"] for run in runs}, key=lambda peer: max(rates.get((peer, n), 0) for n in connections))
    height = 0.8 / len(connections)
    for index, count in enumerate(connections):
        shade = len(PEER_SHADES) - len(connections) + index
        bars = axis.barh(
            [place + 0.4 - (index + 0.5) * height for place in range(len(peers))],
            [rates.get((peer, count), 0) for peer in peers],
            height,
            color=[(OURS_SHADES if peer == OURS else PEER_SHADES)[shade] for peer in peers],
        )
        axis.bar_label(bars, fmt="{:,.4g}", padding=2, fontsize=6)
    axis.set_yticks(range(len(peers)), [names[peer] for peer in peers], fontsize=8)
    axis.set_xlabel("requests per second")
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    legend = [
        Patch(color=shade, label=f"{count} connection" + ("" if count == 1 else "s"))
        for count, shade in zip(connections, PEER_SHADES[-len(connections) :], strict=True)
    ]
    axis.legend(handles=legend, fontsize=7, frameon=False, loc="lower right")


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
