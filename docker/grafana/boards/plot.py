"""Draws a dashboard from its queries' results, with matplotlib: python -m boards.plot ANSWERS.json OUT.png.

It reads layout, colours and units from the dashboard's own JSON, so that the picture resembles what Grafana would show.
"""

import json
import math
import sys
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from boards.shapes import draw_heatmap, draw_lines, draw_stat, draw_table

DRAW = {"timeseries": draw_lines, "stat": draw_stat, "table": draw_table, "heatmap": draw_heatmap}
COLUMNS = 24
# In inches: the page's width, the height of a grid row, the height of the page's head, the gap between panels.
WIDTH, ROW, HEAD, GAP = 17.0, 0.34, 0.62, 0.05
PAGE, PANEL, EDGE, TEXT, FAINT = "#111217", "#181b1f", "#2c3038", "#e4e4ee", "#9a9aab"
DPI = 100


def draw(answers: dict, target: Path) -> None:
    """Draws the dashboard and writes a PNG; answers: the output of `boards.draw`."""
    panels = answers["dashboard"]["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = Figure(figsize=(WIDTH, HEAD + rows * ROW + 2 * GAP), facecolor=PAGE)
    FigureCanvasAgg(figure)
    draw_head(figure, answers)
    for panel in panels:
        box = place(figure, panel["gridPos"])
        if panel["type"] == "row":
            heading = filled(panel["title"], answers["chosen"])
            figure.text(box[0] + inches_x(figure, 0.05), box[1] + box[3] / 2, heading, color=TEXT, size=12, va="center")
        else:
            draw_panel(figure, box, panel, answers)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI)
    # With few colours the file is a third of the size.
    few = Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, 1, dither=Image.Dither.NONE)
    few.save(target, format="PNG", optimize=True)


def draw_head(figure: Figure, answers: dict) -> None:
    """Draws the dashboard's title, the chosen variables and the time range."""
    y = 1 - inches_y(figure, HEAD / 2)
    figure.text(
        inches_x(figure, 0.12), y, answers["dashboard"]["title"], color=TEXT, size=17, weight="bold", va="center"
    )
    chosen = [
        f"{name}: {value if isinstance(value, str) else ', '.join(value)}" for name, value in answers["chosen"].items()
    ]
    figure.text(0.5, y, "     ".join(chosen), color=TEXT, size=11, va="center", ha="center")
    shown = f"{answers['when']}, {answers['seconds'] / 60:.0f} min"
    figure.text(1 - inches_x(figure, 0.12), y, shown, color=FAINT, size=11, va="center", ha="right")


def draw_panel(figure: Figure, box: tuple, panel: dict, answers: dict) -> None:
    """Draws a panel's frame, title and content."""
    left, bottom, width, height = box
    frame = FancyBboxPatch(
        (left, bottom), width, height, boxstyle="square,pad=0", facecolor=PANEL, edgecolor=EDGE, linewidth=0.8,
        transform=figure.transFigure, zorder=-1,
    )  # fmt: skip
    figure.patches.append(frame)
    title_y = bottom + height - inches_y(figure, 0.17)
    figure.text(left + inches_x(figure, 0.1), title_y, panel["title"], color=TEXT, size=9.5, va="center")
    body = (left, bottom, width, height - inches_y(figure, 0.32))
    DRAW[panel["type"]](figure, body, panel, answers["answers"][str(panel["id"])], answers["start"], answers["end"])


def place(figure: Figure, grid: dict) -> tuple:
    """Returns left, bottom, width and height as fractions of the page."""
    page_width, page_height = figure.get_size_inches()
    column = (page_width - 2 * GAP) / COLUMNS
    left, top = GAP + grid["x"] * column, HEAD + grid["y"] * ROW
    width, height = grid["w"] * column - GAP, grid["h"] * ROW - GAP
    return left / page_width, 1 - (top + height) / page_height, width / page_width, height / page_height


def inches_x(figure: Figure, inches: float) -> float:
    return inches / figure.get_size_inches()[0]


def inches_y(figure: Figure, inches: float) -> float:
    return inches / figure.get_size_inches()[1]


def filled(text: str, chosen: dict) -> str:
    for name, value in chosen.items():
        text = text.replace(f"${name}", value if isinstance(value, str) else ", ".join(value))
    return text


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(), parse_constant=lambda _: math.nan), Path(sys.argv[2]))
