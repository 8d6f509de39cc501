"""The commands, and nothing else: `scripts/stack X` is the module X, or the room X."""

from __future__ import annotations

import typer

from stackcli import doctor, logs, predict
from stackcli.access import commands as access
from stackcli.bake import commands as bake
from stackcli.bench import commands as bench
from stackcli.build import commands as build
from stackcli.common import command
from stackcli.dev import commands as dev
from stackcli.plan import commands as plan
from stackcli.release import commands as release
from stackcli.sbom import commands as sbom
from stackcli.status import commands as status
from stackcli.swarm import commands as swarm
from stackcli.testing import commands as testing
from stackcli.tune import commands as tune
from stackcli.up import commands as up

app = typer.Typer(
    help="Train, archive and serve PyTorch models with TorchServe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(up.up)
app.command()(up.down)
app.command()(status.status)
app.command()(logs.logs)
app.command()(build.build)
app.command()(dev.dev)
app.command()(bake.bake)
app.command()(predict.predict)
app.command()(access.certs)
app.command()(bench.bench)
app.command()(plan.plan)
app.command()(tune.tune)
app.command()(sbom.sbom)
app.command()(doctor.doctor)
app.command(context_settings=testing.TO_PYTEST)(testing.test)
app.add_typer(access.key_app, name="key")
app.add_typer(release.release_app, name="release")
app.add_typer(swarm.swarm_app, name="swarm")


def main() -> None:
    command.run(app, "scripts/stack")
