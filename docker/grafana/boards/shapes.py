"""Draws the content of a panel by Grafana's kinds (lines, stat, table, heat map), with matplotlib, for boards.plot."""

import math
import re
from datetime import datetime, timezone

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator, NullLocator

from boards.units import BYTES, text

TEXT, FAINT, GRID, PANEL = "#e4e4ee", "#9a9aab", "#2c3038", "#181b1f"
# Grafana's classic palette without its reds, because red means trouble.
PALETTE = (
    "#7EB26D", "#EAB839", "#6ED0E0", "#EF843C", "#1F78C1", "#BA43A9", "#705DA0", "#508642", "#CCA300", "#447EBC",
    "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F", "#82B5D8", "#E5A8E2", "#AEA2E0", "#9AC48A", "#F2C96D", "#65C5DB",
)  # fmt: skip
HEAT = LinearSegmentedColormap.from_list("heat", [PANEL, "#7f2704", "#d94801", "#fd8d3c", "#feedde"])
LEGEND_SIZE, TICK_SIZE = 7.5, 7.5
CHARACTER = LEGEND_SIZE * 0.56 / 72  # mean width of a letter, in inches
SEEN: dict = {}


def draw_lines(figure: Figure, body: tuple, panel: dict, answers: list, start: float, end: float) -> None:
    """Draws lines or areas over time, with a legend below."""
    named = [
        (legend(target["legendFormat"], series["labels"]), series["points"])
        for target, answer in zip(panel["targets"], answers)
        for series in answer
    ]
    labels = [name for name, _ in named]
    columns, rows = legend_grid(labels, body[2] * figure.get_size_inches()[0])
    axis = axes_in(figure, body, below=0.3 + 0.15 * rows)
    stacked, base = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal", {}
    for name, points in named:
        style = style_of(name, panel)
        if stacked and not style["dashed"]:
            draw_area(axis, points, base, style["colour"], name)
        else:
            x, y = with_gaps(points)
            axis.plot(
                x, y, color=style["colour"], linewidth=1.3, linestyle="--" if style["dashed"] else "-", label=name
            )
    for step in panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]:
        if step["value"] is not None:
            axis.axhline(step["value"], color=step["color"], linewidth=1, linestyle=(0, (6, 4)))
    values = [value for _, points in named for _, value in points]
    value_axis(axis, panel["fieldConfig"]["defaults"], values)
    time_axis(axis, start, end)
    below = -0.24 / (axis.get_position().height * figure.get_size_inches()[1])
    axis.legend(
        loc="upper left", bbox_to_anchor=(-0.02, below), ncols=columns, fontsize=LEGEND_SIZE, frameon=False,
        labelcolor=TEXT, handlelength=1.2, handletextpad=0.5, columnspacing=1.2, borderaxespad=0, labelspacing=0.3,
    )  # fmt: skip


def value_axis(axis: object, defaults: dict, values: list) -> None:
    """Sets up the value axis: from 0 or in powers of ten, with whole numbers if all values are whole."""
    unit = defaults["unit"]
    if "scaleDistribution" in defaults["custom"]:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1,), numticks=6))
        axis.yaxis.set_minor_locator(NullLocator())
    else:
        axis.set_ylim(0, defaults.get("max") or (axis.get_ylim()[1] if any(value > 0 for value in values) else 1))
        top = axis.get_ylim()[1]
        if unit in BYTES:
            axis.yaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(top / 5))))
        else:
            whole = unit == "none" and all(value == int(value) for value in values if not math.isnan(value))
            axis.yaxis.set_major_locator(MaxNLocator(5, integer=whole))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value, unit)))


def colour_of(name: str) -> str:
    """Returns the name's colour, the same in the whole picture; a new name gets the palette's next colour."""
    return SEEN.setdefault(name, PALETTE[len(SEEN) % len(PALETTE)])


def draw_area(axis: object, points: list, base: dict, colour: str, name: str) -> None:
    """Draws an area on top of the earlier ones; base: {moment: the sum so far}."""
    points = [(moment, 0.0 if math.isnan(value) else value) for moment, value in points]
    lower = [base.get(moment, 0.0) for moment, _ in points]
    upper = [under + value for under, (_, value) in zip(lower, points)]
    base.update({moment: value for (moment, _), value in zip(points, upper)})
    moments = [clock(moment) for moment, _ in points]
    axis.fill_between(moments, lower, upper, color=colour, alpha=0.45, linewidth=0)
    axis.plot(moments, upper, color=colour, linewidth=1.1, label=name)


def draw_stat(figure: Figure, body: tuple, panel: dict, answers: list, start: float, end: float) -> None:
    """Draws one number in the colour of its threshold."""
    defaults, (series,) = panel["fieldConfig"]["defaults"], answers[0]
    value = series["points"][-1][1]
    colour = [
        step["color"] for step in defaults["thresholds"]["steps"] if step["value"] is None or value >= step["value"]
    ][-1]
    shown = text(round(value, defaults.get("decimals", 9) + 2), defaults["unit"])
    for mapping in defaults.get("mappings", []):
        shown = mapping["options"].get(f"{value:g}", {"text": shown})["text"]
    middle = body[0] + body[2] / 2, body[1] + body[3] / 2
    figure.text(*middle, shown, color=colour, size=21, ha="center", va="center", weight="bold")


def draw_table(figure: Figure, body: tuple, panel: dict, answers: list, start: float, end: float) -> None:
    """Draws one row per set of labels, with the values of several queries in one row if their labels match."""
    columns = panel["transformations"][-1]["options"]["renameByName"]
    units = {each["matcher"]["options"]: each["properties"][0]["value"] for each in panel["fieldConfig"]["overrides"]}
    rows = rows_of(answers)
    widths = [
        max(len(heading), *(len(str(row.get(name, ""))) + 2 for row in rows)) for name, heading in columns.items()
    ]
    widths = [min(width, 24) for width in widths]
    page_width, page_height = figure.get_size_inches()
    y, line = body[1] + body[3] - 0.1 / page_height, 0.22 / page_height
    for number, row in enumerate([None, *rows[: int((body[3] - 0.2 / page_height) / line) - 1]]):
        x = body[0] + 0.12 / page_width
        for (name, heading), width in zip(columns.items(), widths):
            value = heading if row is None else row.get(name, "")
            if isinstance(value, float):
                value = text(value, units.get(heading, "none"))
            room = width / sum(widths) * (body[2] - 0.24 / page_width)
            fits = int(room * page_width / (8.5 * 0.68 / 72))
            cell = value if len(value) <= fits else value[: max(fits - 1, 1)] + "…"
            figure.text(x, y - (number + 0.5) * line, cell, color=FAINT if row is None else TEXT, size=8.5, va="center")
            x += room


def rows_of(answers: list) -> list:
    """Returns rows like Grafana's transformation `merge`: {label or "Value #A": text or number}."""
    rows = []
    for number, answer in enumerate(answers):
        letter = chr(ord("A") + number)
        for series in answer:
            row = next((row for row in rows if series["labels"].items() <= row.items()), None)
            if row is None:
                rows.append(row := dict(series["labels"]))
            row[f"Value #{letter}"] = series["points"][-1][1]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def draw_heatmap(figure: Figure, body: tuple, panel: dict, answers: list, start: float, end: float) -> None:
    """Draws cells by moment and bucket, brighter for more requests."""
    axis = axes_in(figure, body, below=0.3)
    series = sorted(answers[0], key=lambda each: float(each["labels"]["le"]))
    bounds = [float(each["labels"]["le"]) for each in series]
    moments = sorted({moment for each in series for moment, _ in each["points"]})
    reached = [dict(map(tuple, each["points"])) for each in series]
    counts = [[max(0.0, at.get(moment, 0.0)) for moment in moments] for at in reached]
    cells = [counts[0], *([max(0.0, b - a) for a, b in zip(*pair)] for pair in zip(counts, counts[1:]))]
    used = [number for number, row in enumerate(cells) if any(row)]
    low, high = max(min(used) - 1, 0), min(max(used) + 2, len(cells))
    top = max(max(row) for row in cells)
    shades = [[(value / top) ** 0.5 for value in row] for row in cells[low:high]]
    edges = [clock(moment) for moment in [*moments, 2 * moments[-1] - moments[-2]]]
    axis.pcolormesh(edges, range(low, high + 1), shades, cmap=HEAT, vmin=0, vmax=1, linewidth=0, rasterized=True)
    ticks = range(low, high, max(1, (high - low) // 8))
    unit = panel["options"]["yAxis"]["unit"]
    names = ["∞" if math.isinf(bounds[number]) else text(bounds[number], unit) for number in ticks]
    axis.set_yticks([number + 1 for number in ticks], names)
    axis.grid(visible=False)
    time_axis(axis, start, end)


def axes_in(figure: Figure, body: tuple, below: float) -> object:
    """Adds axes with room for their ticks; below: inches for the time axis and the legend."""
    page_width, page_height = figure.get_size_inches()
    left, right, above = 0.68 / page_width, 0.15 / page_width, 0.06 / page_height
    height = body[3] - below / page_height - above
    axis = figure.add_axes((body[0] + left, body[1] + below / page_height, body[2] - left - right, height))
    axis.set_facecolor(PANEL)
    axis.grid(color=GRID, linewidth=0.7)
    axis.tick_params(colors=FAINT, labelsize=TICK_SIZE, length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return axis


def time_axis(axis: object, start: float, end: float) -> None:
    axis.set_xlim(clock(start), clock(end))
    axis.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=6))
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M" if end - start >= 240 else "%H:%M:%S"))


def clock(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, timezone.utc)


def with_gaps(points: list) -> tuple:
    """Returns times and values, with a NaN for each missing moment, at which the line is interrupted."""
    x, y = [], []
    step = min((b[0] - a[0] for a, b in zip(points, points[1:])), default=0)
    for (moment, value), following in zip(points, [*points[1:], None]):
        x.append(clock(moment))
        y.append(value)
        if following and following[0] - moment > 1.5 * step:
            x.append(clock(moment + step))
            y.append(math.nan)
    return x, y


def legend(wanted: str, labels: dict) -> str:
    """Returns a legend with Grafana's {{label}} filled in."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda match: labels.get(match.group(1), ""), wanted).strip()


def legend_grid(labels: list, inches: float) -> tuple:
    """Returns how many columns fit, and the resulting number of rows."""
    widest = max(map(len, labels), default=1) * CHARACTER + 0.36
    columns = max(1, min(len(labels), int((inches - 0.6) / widest)))
    return columns, math.ceil(len(labels) / columns)


def style_of(name: str, panel: dict) -> dict:
    """Returns the style from matching overrides, otherwise the name's own colour."""
    style = {"colour": "", "dashed": False}
    for override in panel["fieldConfig"]["overrides"]:
        pattern = override["matcher"]["options"]
        if re.search(pattern.strip("/"), name) if pattern.startswith("/") else pattern == name:
            for each in override["properties"]:
                if each["id"] == "color":
                    style["colour"] = each["value"]["fixedColor"]
                style["dashed"] |= each["id"] == "custom.lineStyle"
    return {**style, "colour": style["colour"] or colour_of(name)}
