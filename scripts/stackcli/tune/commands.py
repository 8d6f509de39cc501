"""`scripts/stack tune`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.project.current import current_project
from stackcli.project.settings import load_settings
from stackcli.tune import run
from stackcli.tune.candidates import Goal


def tune(
    model: str,
    goal: Annotated[
        str, typer.Option("--goal", metavar="throughput|p99=MS", help="The most requests/s, or … within MS.")
    ] = "throughput",
    version: Annotated[str | None, typer.Option("--version", help="Default: the newest.")] = None,
    connections: Annotated[
        int | None, typer.Option("--connections", metavar="N", min=1, help="Default: 64, or 2 per CPU for slow models.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Measured per long trial.")] = run.SECONDS,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="MINUTES", min=0, help="Try less, to be done in about that time."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="IMAGE", help="Default: the first sample.")] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/tune", help="Folder of the figures and the report.")
    ] = ROOT / "artifacts/tune",
    forget: Annotated[bool, typer.Option("--forget", help="Drop what an earlier run chose.")] = False,
) -> None:
    """Find a model's best workers, threads, batching and precision on this machine, for the next `up`."""
    if forget:
        run.forget(load_settings(ROOT, os.environ), model, version)
        return
    asked = run.Tune(model, version, Goal.parse(goal), connections, seconds, budget, file, out)
    run.run_tune(connect(), current_project(), asked)
