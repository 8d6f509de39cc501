"""`scripts/stack bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackcli.bench.load import RUN_SECONDS
from stackcli.bench.run import Bench, run_bench
from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.project.current import current_project


def bench(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Default: the most accurate model.")] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", metavar="R", min=0.01, help="Run an open loop at R requests/s; repeatable."),
    ] = None,
    connections: Annotated[
        list[int] | None,
        typer.Option("--connections", metavar="N", min=1, help="Run a closed loop on N connections; repeatable."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long to measure each run.")] = RUN_SECONDS,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="IMAGE", help="The image to send. Default: the first sample.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/bench", help="Folder for the results and the report.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Load-test a model of the running stack. The report has rates, latencies, CPU time and memory."""
    asked = Bench(model, tuple(rate or ()), tuple(connections or ()), seconds, file, out)
    run_bench(connect(), current_project(), asked)
