"""Defines the commands of `scripts/stack swarm`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.machine.engine import connect
from stackcli.project.current import current_project
from stackcli.swarm import deploy
from stackcli.swarm.status import show_status

swarm_app = typer.Typer(help="Run the stack on a Docker Swarm (docs/guides/swarm.md).", no_args_is_help=True)

Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: all models.")]
Repository = Annotated[
    str,
    typer.Option(
        "--repository",
        metavar="REPO",
        help="The image repository, for example registry.example:5000/team. Default: SWARM_REPOSITORY.",
    ),
]


@swarm_app.command()
def up(
    models: Models = None,
    repository: Repository = "",
    observability: Annotated[
        bool, typer.Option("--observability", help="Also deploy Prometheus, Alertmanager and node_exporter.")
    ] = False,
) -> None:
    """Bake, push and deploy built models. It returns once every task is healthy."""
    project = current_project()
    asked = deploy.Asked(models or [], repository or project.settings.swarm_repository, observability)
    deploy.bring_up(connect(), project, asked)


@swarm_app.command()
def roll(models: Models = None, repository: Repository = "") -> None:
    """Update a deployed stack to newly baked models. A failed update is rolled back."""
    project = current_project()
    deploy.roll(connect(), project, deploy.Asked(models or [], repository or project.settings.swarm_repository))


@swarm_app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show machines, services and their problems. The exit status is 1 if there are any."""
    if not show_status(current_project(), as_json):
        raise typer.Exit(1)


@swarm_app.command()
def down() -> None:
    """Remove the stack, its secrets and its configs. Prometheus's data is kept."""
    deploy.bring_down(current_project())
