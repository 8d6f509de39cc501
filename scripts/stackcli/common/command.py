"""Runs a command line of this repository; a StackError is printed and becomes exit status 1."""

from __future__ import annotations

import typer

from stackcli.common import console
from stackcli.common.errors import StackError


def run(app: typer.Typer, name: str | None = None) -> None:
    """Runs `app`; `name` is the program's name in its help, by default that of the started file."""
    try:
        app(prog_name=name)
    except StackError as error:
        console.fail(error)
        raise SystemExit(1) from None
