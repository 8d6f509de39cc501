"""`scripts/stack status` as tables: warnings, then every version, in several tables if the terminal is narrow."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stackcli.common import console
from stackcli.project.settings import Settings
from stackcli.status.metrics import ModelMetrics
from stackcli.status.read import Serving
from stackcli.store.manifest import Model, label_of

COLOURS = {"READY": "green", "BUILT": "blue", "UNAVAILABLE": "yellow"}  # all others: red
# Every table starts with NAMED; the columns of AT_WORK are right-aligned.
NAMED = ("model", "version")
MADE = ("state", "engine", "weights", "accuracy", "note")
AT_WORK = ("traffic", "req/s", "4xx/s", "5xx/s", "p50 ms", "p99 ms", "in flight", "queue", "workers", "memory")
UNKNOWN = "-"
PICTURE_WIDTH, MAX_COLUMNS = 118, 10_000
MIB = 1 << 20

Cells = Mapping[str, Text]  # by the column's title


def show_serving(serving: Serving, settings: Settings, to: Console = console.out) -> None:
    to.print(rendered(serving, settings, to))


def rendered(serving: Serving, settings: Settings, to: Console) -> RenderableType:
    warnings = [Text(f"  ! WARNING: {text}", style="yellow") for text in serving.warnings(settings)]
    apart = (part for whole in tables(serving, to) for part in (Text(), whole))
    return Group(*services(serving), addresses(serving, settings), *warnings, *apart)


def services(serving: Serving) -> Iterator[Text]:
    for service, (health, line) in (("torchserve", serving.health), ("edge", serving.edge)):
        yield Text.assemble(f"{service}: ", (health, "green" if health == "healthy" else "red"), f" {line}")
    for server in serving.metrics.torchserve if serving.metrics else []:
        if server.memory_bytes is None:
            yield Text(f"{server.instance}: no metrics", style="red")
            continue
        limit = f" of {mebibytes(server.memory_limit_bytes)}" if server.memory_limit_bytes else ""
        cores = f", {server.cpu_cores:.2f} CPUs" if server.cpu_cores is not None else ""
        yield Text(f"{server.instance}: memory {mebibytes(server.memory_bytes)}{limit}{cores}")


def addresses(serving: Serving, settings: Settings) -> Table:
    urls = Table.grid(padding=(0, 2))
    urls.add_row("playground", settings.url(settings.edge_port), "and the inference API, routed by release")
    for name, inside, port in (
        ("inference", 8080, settings.inference_port),
        ("management", 8081, settings.management_port),
        ("metrics", 8082, settings.metrics_port),
    ):
        if inside in serving.ports:
            urls.add_row(name, settings.url(port))
    grpc = {7070: settings.grpc_inference_port, 7071: settings.grpc_management_port}
    published = [f":{port}" for inside, port in grpc.items() if inside in serving.ports]
    if published:
        urls.add_row("gRPC", settings.host + ", ".join(published))
    for service, url in serving.observers.items():
        urls.add_row(service, url)
    urls.add_row("signatures", settings.signatures)
    return urls


def tables(serving: Serving, to: Console) -> list[Table]:
    """Makes one table if it fits the width, else several; without metrics, only the columns of MADE."""
    rows = list(rows_of(serving))
    *made, note = MADE
    whole = (*NAMED, *made, *AT_WORK, note)
    if serving.metrics is None:
        groups = packed(rows, MADE, to)
    elif fits(table(rows, whole), to):
        groups = [whole]
    else:
        groups = [*packed(rows, MADE, to), *packed(rows, AT_WORK, to)]
    return [table(rows, columns) for columns in groups]


def packed(rows: list[Cells], columns: tuple[str, ...], to: Console) -> list[tuple[str, ...]]:
    """Packs the columns into as few tables as the width allows, each with the version's name."""
    groups: list[tuple[str, ...]] = []
    for title in columns:
        if groups and fits(table(rows, (*groups[-1], title)), to):
            groups[-1] += (title,)
        else:
            groups.append((*NAMED, title))
    return groups


def fits(whole: Table, to: Console) -> bool:
    return Measurement.get(to, to.options.update(max_width=MAX_COLUMNS), whole).maximum <= to.width


def table(rows: list[Cells], columns: tuple[str, ...]) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in columns:
        made.add_column(title, justify="right" if title in AT_WORK else "left", no_wrap=True)
    for cells in rows:
        made.add_row(*(cells[title] for title in columns))
    return made


def rows_of(serving: Serving) -> Iterator[Cells]:
    for model, state in serving.models:
        found = serving.metrics.of(model.name, model.version) if serving.metrics else None
        texts = {"model": model.name, "version": model.version, "accuracy": accuracy_of(model)}
        texts["weights"] = weights_of(model)
        texts |= {title: value(found) if found else UNKNOWN for title, value in METRIC_TEXTS.items()}
        if not found and model.is_available:
            texts["engine"] = f"{model.engine} {model.precision}"
        yield {
            **{title: Text(text) for title, text in texts.items()},
            "state": Text(state, style=COLOURS.get(state, "red")),
            "note": note_of(serving, model),
        }


def accuracy_of(model: Model) -> str:
    return f"{model.accuracy.top1:.2%} of {model.accuracy.images}" if model.accuracy else UNKNOWN


def weights_of(model: Model) -> str:
    """Returns one word for their origin: trained, downloaded, shipped, file or UNTRAINED; --json has all of it."""
    return next(iter(model.weights.origin.removeprefix("the ").replace(":", "").split()), UNKNOWN)


def note_of(serving: Serving, model: Model) -> Text:
    notes = [Text("UNTRAINED", style="red")] if model.is_available and not model.trained else []
    notes += [Text("candidate")] if model.candidate else []
    tuned = serving.tuned.get(label_of(model))
    notes += [Text(f"tuned for {tuned.goal}")] if tuned and model.is_available else []
    return Text(", ").join(notes)


def workers_of(found: ModelMetrics) -> str:
    """Formats the READY workers out of all, and the restarts."""
    workers = found.workers
    restarts = f" ({found.restarts} restarts)" if found.restarts else ""
    return f"{workers.ready}/{workers.ready + workers.starting + workers.failed}{restarts}"


def rate(value: Callable[[ModelMetrics], float | None]) -> Callable[[ModelMetrics], str]:
    def text(found: ModelMetrics) -> str:
        number = value(found)
        return UNKNOWN if number is None else f"{number:,.1f}"

    return text


def mebibytes(size: int) -> str:
    return f"{size / MIB:,.0f} MiB"


# Column → its text, from one version's metrics.
METRIC_TEXTS: Mapping[str, Callable[[ModelMetrics], str]] = {
    "engine": lambda found: f"{found.engine} {found.precision}",
    "traffic": lambda found: UNKNOWN if found.share is None else f"{found.share:g} %",
    "req/s": rate(lambda found: found.rate.all if found.rate else None),
    "4xx/s": rate(lambda found: found.rate.refused if found.rate else None),
    "5xx/s": rate(lambda found: found.rate.failed if found.rate else None),
    "p50 ms": rate(lambda found: found.p50_ms),
    "p99 ms": rate(lambda found: found.p99_ms),
    "in flight": lambda found: str(found.in_flight),
    "queue": lambda found: f"{found.queue}/{found.queue_capacity}",
    "workers": workers_of,
    "memory": lambda found: mebibytes(found.memory_bytes),
}


def write_picture(serving: Serving, settings: Settings, file: Path) -> None:
    """Writes what the terminal shows as a self-contained SVG."""
    paper = Console(record=True, file=io.StringIO(), force_terminal=True, highlight=False, width=PICTURE_WIDTH)
    paper.print(rendered(serving, settings, paper))
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    file.write_text(paper.export_svg(title="scripts/stack status", code_format=form), encoding="utf-8")
