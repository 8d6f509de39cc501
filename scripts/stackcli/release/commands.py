"""Defines the commands of `scripts/stack release`."""

from __future__ import annotations

from typing import Annotated

import typer

from contract.releases import HEADER, Canary
from stackcli.common.errors import ConfigError
from stackcli.project.current import running_project
from stackcli.release import change
from stackcli.release.as_table import show_releases

release_app = typer.Typer(help="Change which versions are served, without a restart.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(metavar="MODEL")]
Version = Annotated[str, typer.Argument(metavar="VERSION")]
WINDOW_SECONDS, MIN_REQUESTS = 60, 200


@release_app.command("list")
def list_releases() -> None:
    """List every version, its state and its traffic. Shows which unversioned requests each one gets."""
    show_releases(running_stack())


@release_app.command()
def deploy(model: Model, version: Version) -> None:
    """Load a built version alongside the others. Only requests that name it reach it."""
    change.deploy(running_stack(), model, version)


@release_app.command()
def canary(
    model: Model,
    version: Version,
    weight: Annotated[
        int,
        typer.Option(
            "--weight", metavar="PERCENT", min=0, max=100, help="The version's share of the unversioned requests."
        ),
    ] = 10,
    sticky_header: Annotated[
        str | None,
        typer.Option(
            "--sticky-header", metavar="NAME", help="Clients that send this header always get the same version."
        ),
    ] = None,
) -> None:
    """Send a version a share of unversioned requests. It is deployed first if necessary."""
    if sticky_header and not HEADER.fullmatch(sticky_header):
        raise ConfigError("a header name for --sticky-header", repr(sticky_header), "--sticky-header X-Client-Id")
    asked = Canary(version=version, weight=weight, sticky_header=sticky_header)
    change.set_canary(running_stack(), model, asked)


@release_app.command()
def promote(
    model: Model,
    version: Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Default: the canary.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Compare the canary's errors and p99 first; roll it back if it is worse.")
    ] = False,
    window: Annotated[
        float,
        typer.Option("--window", metavar="SECONDS", min=1, help="How long to compare the two versions, in seconds."),
    ] = WINDOW_SECONDS,
    least: Annotated[
        int, typer.Option("--least", metavar="N", min=1, help="How many requests each version needs for a decision.")
    ] = MIN_REQUESTS,
) -> None:
    """Send a version all unversioned requests. The previous version stays deployed."""
    if not auto:
        change.promote(running_stack(), model, version)
    elif version:
        expected = "--auto alone: it compares the running canary and takes no VERSION"
        raise ConfigError(expected, f"--auto with {version}", "dropping one of the two")
    else:
        change.decide(running_stack(), model, window, least)


@release_app.command()
def rollback(model: Model) -> None:
    """End the canary, or undo the last promotion. Without a canary, the previous version becomes stable again."""
    change.roll_back(running_stack(), model)


def running_stack() -> change.Stack:
    return change.Stack.running(*running_project())
