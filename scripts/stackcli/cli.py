"""Builds the command line: `scripts/stack X` is in the module or package X.

Only the package of the command in use is imported, because some take longer to import than others take to run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer

from stackcli.common import command
from stackcli.common.version import version_line

# Command → the module with the function of that name. Group → the module with its typer app.
COMMANDS = {
    "up": "up.commands",
    "down": "up.commands",
    "status": "status.commands",
    "logs": "logs",
    "build": "build.commands",
    "dev": "dev.commands",
    "bake": "bake.commands",
    "predict": "predict",
    "certs": "access.commands",
    "bench": "bench.commands",
    "plan": "plan.commands",
    "tune": "tune.commands",
    "sbom": "sbom.commands",
    "doctor": "doctor.commands",
    "lock": "lock.commands",
    "test": "testing.commands",
}
GROUPS = {"key": "access.commands", "release": "release.commands", "swarm": "swarm.commands"}
# `test` reads all its arguments itself, including pytest's options.
CONTEXT = {"test": {"allow_extra_args": True, "ignore_unknown_options": True}}


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """Returns the app with the command that the first of `words` names, or with all commands if it names none."""
    app = typer.Typer(
        help="Train, archive and serve PyTorch models with TorchServe.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(stack)  # without a callback, an app with a single command is that command
    every = set() if words[:1] == ["--version"] else {*COMMANDS, *GROUPS}
    wanted = set(words[:1]) & every or every
    for name, module in COMMANDS.items():
        if name in wanted:
            app.command(name, context_settings=CONTEXT.get(name))(member(module, name))
    for name, module in GROUPS.items():
        if name in wanted:
            app.add_typer(member(module, f"{name}_app"), name=name)
    return app


def show_version(is_asked: bool) -> None:
    if is_asked:
        print(version_line())
        raise typer.Exit


def stack(
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and the git revision."),
    ] = False,
) -> None:
    """Train, archive and serve PyTorch models with TorchServe."""


def member(module: str, name: str) -> Any:
    return getattr(import_module(f"stackcli.{module}"), name)


def main() -> None:
    command.run(make_app(sys.argv[1:]), "scripts/stack")
