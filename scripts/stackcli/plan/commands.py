"""`scripts/stack plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackcli.common.paths import ROOT
from stackcli.plan.forecast import Asked, run_plan
from stackcli.project.current import running_project


def plan(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="Which `scripts/stack bench` has measured.")],
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=0.01, help="Requests/s to serve.")],
    p99: Annotated[float, typer.Option("--p99", metavar="MS", min=0.01, help="What 99 of 100 may take at most.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    results: Annotated[
        Path, typer.Option("--results", show_default="artifacts/bench", help="Folder of bench's figures.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Estimate the replicas, cores and memory needed to serve a rate within a p99 (docs/evidence/capacity.md)."""
    run_plan(*running_project(), Asked(model, rate, p99, results), as_json)
