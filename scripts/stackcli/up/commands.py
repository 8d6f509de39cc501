"""`scripts/stack up` and `down`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.build.options import Base, Options, Strict, Weights, Yes
from stackcli.common import console
from stackcli.project.current import current_project
from stackcli.up.bring_up import bring_up


def up(
    yes: Yes = False,
    strict: Strict = False,
    weights: Weights = None,
    base: Base = "auto",
    observability: Annotated[
        bool, typer.Option("--observability", help="Also start Prometheus, Alertmanager and Grafana.")
    ] = False,
) -> None:
    """Build what has changed, and start the stack. It returns once every model is READY."""
    bring_up(Options(yes, strict, tuple(weights or ()), base, observability))


def down(
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Also remove the volumes: downloads, data sets and metrics.")
    ] = False,
) -> None:
    """Stop the stack and remove its containers. The model store is kept."""
    project = current_project()
    project.do("--profile", "*", "down", *(["--volumes"] if volumes else []))
    console.done(f"{project.settings.compose_project_name} is down")
