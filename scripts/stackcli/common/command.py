"""How a command line of this repository ends: with the FAIL line and exit status 1 where it could not do its work."""

from __future__ import annotations

import typer

from stackcli.common import console
from stackcli.common.errors import StackError


def run(app: typer.Typer, name: str | None = None) -> None:
    """`name`: what its help calls it; None: the file that was started."""
    try:
        app(prog_name=name)
    except StackError as error:
        console.fail(str(error))
        raise SystemExit(1) from None
