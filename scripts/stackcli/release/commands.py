"""The commands of `scripts/stack release`, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.common.errors import ConfigError
from stackcli.machine.engine import connect
from stackcli.project.current import current_project
from stackcli.release import change
from stackcli.release.as_table import show_releases
from stackcli.store.releases import HEADER, Canary

release_app = typer.Typer(help="Change the versions that are served, without a restart.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL")]
Version = Annotated[str, typer.Argument(metavar="VERSION")]
SECONDS, LEAST = 60, 200


@release_app.command("list")
def list_releases() -> None:
    """Show every version: whether it is built, deployed and READY, and which requests it gets."""
    show_releases(running_stack())


@release_app.command()
def deploy(model: Model, version: Version) -> None:
    """Serve a version that was built, beside the others; it gets the requests that name it."""
    change.deploy(running_stack(), model, version)


@release_app.command()
def canary(
    model: Model,
    version: Version,
    weight: Annotated[int, typer.Option("--weight", metavar="PERCENT", min=0, max=100)] = 10,
    sticky_header: Annotated[
        str | None, typer.Option("--sticky-header", metavar="NAME", help="Who sends it stays with one version.")
    ] = None,
) -> None:
    """Give a version a share of the requests that name none."""
    if sticky_header and not HEADER.fullmatch(sticky_header):
        raise ConfigError("a header's name as --sticky-header", repr(sticky_header), "--sticky-header X-Client-Id")
    asked = Canary(version=version, weight=weight, sticky_header=sticky_header)
    change.set_canary(running_stack(), model, asked)


@release_app.command()
def promote(
    model: Model,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Default: the canary.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Or roll the canary back: compare its errors and its p99 first.")
    ] = False,
    window: Annotated[float, typer.Option("--window", metavar="SECONDS", min=1, help="Compared.")] = SECONDS,
    least: Annotated[int, typer.Option("--least", metavar="N", min=1, help="Requests each version needs.")] = LEAST,
) -> None:
    """Give a version all the requests that name none; the one before stays deployed."""
    if not auto:
        change.promote(running_stack(), model, version)
    elif version:
        expected = "--auto alone: it compares the running canary and takes no VERSION"
        raise ConfigError(expected, f"--auto with {version}", "dropping one of the two")
    else:
        change.decide(running_stack(), model, window, least)


@release_app.command()
def rollback(model: Model) -> None:
    """End the canary; where there is none, go back to the version before."""
    change.roll_back(running_stack(), model)


def running_stack() -> change.Stack:
    return change.Stack.running(connect(), current_project())
