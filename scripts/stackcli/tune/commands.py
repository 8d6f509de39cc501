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
    model: Annotated[str, typer.Argument(help="The model's name.")],
    goal: Annotated[
        str,
        typer.Option(
            "--goal",
            metavar="throughput|p99=MS",
            help="throughput: the most requests/s; p99=MS: the most whose 99th percentile is at most MS milliseconds.",
        ),
    ] = "throughput",
    version: Annotated[str | None, typer.Option("--version", help="Default: the newest version.")] = None,
    connections: Annotated[
        int | None,
        typer.Option(
            "--connections",
            metavar="N",
            min=1,
            help="How many connections load the model. Default: 64, or 2 per CPU for slow models.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="How long to measure each run of a long trial.")
    ] = run.TRIAL_SECONDS,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="MINUTES", min=0, help="Limit the trials to about this time."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="IMAGE", help="The image to send. Default: the first sample.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/tune", help="Folder for the results and the report.")
    ] = ROOT / "artifacts/tune",
    forget: Annotated[bool, typer.Option("--forget", help="Drop the tuned settings of the model and stop.")] = False,
) -> None:
    """Find a model's best settings on this machine. The next `up` uses its workers, threads, batching and precision."""
    if forget:
        run.forget(load_settings(ROOT, os.environ), model, version)
        return
    asked = run.Tune(model, version, Goal.parse(goal), connections, seconds, budget, file, out)
    run.run_tune(connect(), current_project(), asked)
