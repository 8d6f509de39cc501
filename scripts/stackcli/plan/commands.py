"""`scripts/stack plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackcli.common.paths import ROOT
from stackcli.plan.forecast import Asked, run_plan
from stackcli.project.current import running_project


def plan(
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="A model that `scripts/stack bench` has already measured.")
    ],
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=0.01, help="The requests per second to serve.")],
    p99: Annotated[
        float, typer.Option("--p99", metavar="MS", min=0.01, help="The highest acceptable 99th-percentile latency.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    results: Annotated[
        Path, typer.Option("--results", show_default="artifacts/bench", help="Folder of the bench results.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Estimate how many replicas a request rate needs.

    The estimate keeps a p99 latency, and covers cores and memory (docs/evidence/capacity.md).
    """
    run_plan(*running_project(), Asked(model, rate, p99, results), as_json)
