"""`scripts/stack bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackcli.bench.load import SECONDS
from stackcli.bench.run import Bench, run_bench
from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.project.current import current_project


def bench(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Default: the one most often right.")] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", metavar="R", min=0.01, help="Open loop at R requests/s; may be repeated."),
    ] = None,
    connections: Annotated[
        list[int] | None,
        typer.Option("--connections", metavar="N", min=1, help="Closed loop, N in flight; may be repeated."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Measured per run.")] = SECONDS,
    file: Annotated[Path | None, typer.Option("--file", metavar="IMAGE", help="Default: the first sample.")] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/bench", help="Folder of the figures and the report.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Measure a model of the running stack under load: rates, latencies, CPU time, memory."""
    asked = Bench(model, tuple(rate or ()), tuple(connections or ()), seconds, file, out)
    run_bench(connect(), current_project(), asked)
