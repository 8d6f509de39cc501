"""The commands of `scripts/stack swarm`, and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.machine.engine import connect
from stackcli.project.current import current_project
from stackcli.swarm import deploy
from stackcli.swarm.status import show_status

swarm_app = typer.Typer(help="Run the stack on a Docker Swarm (docs/guides/swarm.md).", no_args_is_help=True)

Models = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="All where none is named.")]
Repository = Annotated[
    str, typer.Option("--repository", metavar="REPO", help="Such as registry.example:5000/team; or SWARM_REPOSITORY.")
]


@swarm_app.command()
def up(
    models: Models = None,
    repository: Repository = "",
    observability: Annotated[bool, typer.Option("--observability", help="Also Prometheus and Alertmanager.")] = False,
) -> None:
    """Bake built models, push the images, deploy them, and wait until every task is healthy."""
    project = current_project()
    asked = deploy.Asked(models or [], repository or project.settings.swarm_repository, observability)
    deploy.bring_up(connect(), project, asked)


@swarm_app.command()
def roll(models: Models = None, repository: Repository = "") -> None:
    """Bake built models, and update the images of a deployed stack; what fails is rolled back."""
    project = current_project()
    deploy.roll(connect(), project, deploy.Asked(models or [], repository or project.settings.swarm_repository))


@swarm_app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Show machines, services and what is wrong with them; exit 1 where anything is."""
    if not show_status(current_project(), as_json):
        raise typer.Exit(1)


@swarm_app.command()
def down() -> None:
    """Remove the stack, its secrets and its configs; what Prometheus has kept stays."""
    deploy.bring_down(current_project())
