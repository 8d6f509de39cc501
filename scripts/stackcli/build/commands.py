"""`scripts/stack build`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.build.models import run_builder
from stackcli.build.options import Base, Options, Strict, Weights, Yes
from stackcli.build.prepare import prepare
from stackcli.common import console


def build(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: all models.")] = None,
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Rebuild and retrain even if nothing has changed.")] = False,
    weights: Weights = None,
    yes: Yes = False,
    base: Base = "auto",
) -> None:
    """Build the images and the models without starting the stack."""
    _, project = prepare(Options(yes, strict, tuple(weights or ()), base))
    console.phase("Building the models…")
    if not run_builder(project, [*(models or []), *(["--force"] if force else [])]):
        console.done("models: nothing to build")
