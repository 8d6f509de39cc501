"""`scripts/stack bake`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.bake.images import REPOSITORY, bake_and_tell
from stackcli.machine.engine import connect
from stackcli.project.current import current_project


def bake(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: all models.")] = None,
    repository: Annotated[
        str, typer.Option("--repository", metavar="REPO", help="For example registry.example:5000/team.")
    ] = REPOSITORY,
    push: Annotated[bool, typer.Option("--push", help="Push the images to the repository's registry.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bake built models into images that serve them. The images need no model store."""
    bake_and_tell(connect(), current_project().settings, models or [], repository, push, as_json)
