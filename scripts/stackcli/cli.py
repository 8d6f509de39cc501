"""The commands, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stackcli import certificates, command, console, keys, logs, status_cli
from stackcli import tune as tuning
from stackcli.bake import REPOSITORY, bake_and_tell
from stackcli.base_image import BaseChoice
from stackcli.bench import Bench, run_bench
from stackcli.candidates import Goal
from stackcli.doctor import run_doctor
from stackcli.edge_secrets import CA, secrets_folder
from stackcli.engine import connect
from stackcli.errors import ConfigError
from stackcli.load import SECONDS
from stackcli.models import run_builder
from stackcli.paths import ROOT, shown
from stackcli.plan import Asked, run_plan
from stackcli.predict import predict as send
from stackcli.preflight import connect_if_running
from stackcli.release_cli import release_app
from stackcli.settings import load_settings
from stackcli.swarm_cli import swarm_app
from stackcli.testing import run_tests
from stackcli.up import Options, bring_up, current_project, prepare

app = typer.Typer(
    help="Train, archive and serve PyTorch models with TorchServe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

key_app = typer.Typer(help="API keys of the edge, for compose.prod.yaml.", no_args_is_help=True)
app.add_typer(key_app, name="key")
app.add_typer(release_app, name="release")
app.add_typer(swarm_app, name="swarm")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Install and start what is missing (as root).")]
Strict = Annotated[bool, typer.Option("--strict", help="An unavailable model is an error.")]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", metavar="MODEL=SPEC", help="MODEL=file:NAME or MODEL=random:SEED.")
]
Base = Annotated[BaseChoice, typer.Option("--base", help="official-alike: Debian 11, Python 3.9, torch 2.4.0.")]


@app.command()
def up(
    yes: Yes = False,
    strict: Strict = False,
    weights: Weights = None,
    base: Base = "auto",
    observability: Annotated[
        bool, typer.Option("--observability", help="Also Prometheus, Alertmanager and Grafana.")
    ] = False,
) -> None:
    """Build what changed, start the stack and wait until every model is READY."""
    bring_up(Options(yes, strict, tuple(weights or ()), base, observability))


@app.command()
def down(
    volumes: Annotated[bool, typer.Option("--volumes", help="Also downloads, data sets and metrics.")] = False,
) -> None:
    """Stop the stack and remove its containers; the model store stays."""
    project = current_project()
    project.do("--profile", "*", "down", *(["--volumes"] if volumes else []))
    console.done(f"{project.settings.compose_project_name} is down")


@app.command("status")
def show_status(
    watch: Annotated[bool, typer.Option("--watch", help="Again every 2 s, until q or Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines (docs/STATUS.md).")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write it as a picture.")] = None,
) -> None:
    """Show what is served and how it does; exit 1 unless healthy."""
    if not status_cli.show_status(watch, as_json, svg):
        raise typer.Exit(1)


@app.command("logs")
def print_logs(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="All where none is named.")] = "",
    request: Annotated[str, typer.Option("--request", metavar="ID", help="Of one request: its X-Request-Id.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="From now on, until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="Not older than 90s, 10m, 2h.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show what edge and torchserve say, in the order of time."""
    wanted = logs.Wanted(model, request, since)
    logs.show_logs(connect(), current_project().settings.compose_project_name, wanted, follow, as_json)


@app.command()
def build(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="All where none is named.")] = None,
    strict: Strict = False,
    force: Annotated[bool, typer.Option("--force", help="Even where nothing changed.")] = False,
    weights: Weights = None,
    yes: Yes = False,
    base: Base = "auto",
) -> None:
    """Build the images and the models, without serving them."""
    _, project = prepare(Options(yes, strict, tuple(weights or ()), base))
    console.phase("Building the models…")
    if not run_builder(project, [*(models or []), *(["--force"] if force else [])]):
        console.done("models: nothing to build")


@app.command("bake")
def bake_images(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="All where none is named.")] = None,
    repository: Annotated[
        str, typer.Option("--repository", metavar="REPO", help="Such as registry.example:5000/team.")
    ] = REPOSITORY,
    push: Annotated[bool, typer.Option("--push", help="Send the images to the repository's registry.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Put built models into images, which serve without a model store."""
    bake_and_tell(connect(), current_project().settings, models or [], repository, push, as_json)


@app.command()
def predict(
    model: str,
    file: Path,
    version: Annotated[str | None, typer.Option("--version", help="Another version than the default one.")] = None,
) -> None:
    """Send one file to a model and print its answer."""
    send(connect(), current_project(), model, file, version)


@app.command()
def certs(
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="NAME", help="Beside localhost; may be repeated.")
    ] = None,
    days: Annotated[int, typer.Option("--days", metavar="N", min=1, help="How long it is valid.")] = certificates.DAYS,
    certificate: Annotated[Path | None, typer.Option("--certificate", metavar="FILE", help="Your own, in PEM.")] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", metavar="FILE", help="The key of it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the one that is there.")] = False,
) -> None:
    """Make the edge's certificate, or take your own; a running edge takes it over by itself."""
    settings = load_settings(ROOT, os.environ)
    if certificate and private_key:
        pair = certificates.install_own(settings, certificate, private_key, force)
    elif certificate or private_key:
        raise ConfigError("--certificate and --private-key", "one of them", "both")
    else:
        pair = certificates.install_generated(settings, host or [], days, force)
    console.done(f"certificate: {', '.join(pair.hosts)}, until {pair.ends:%Y-%m-%d}")
    authority = secrets_folder(settings) / CA
    trust = f"--cacert {shown(authority)} " if authority.is_file() else ""
    url = f"https://{(pair.hosts or ['localhost'])[0]}:{settings.edge_port}"
    console.out.print(f"Clients: curl {trust}{url}/ping", markup=False)


@key_app.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="Whose it is; shown in the access log.")],
    scope: Annotated[keys.Scope, typer.Option("--scope", help="predict, or admin: also descriptions of models.")] = (
        "predict"
    ),
) -> None:
    """Print a new key, once: only its hash is stored. The edge takes it within a second."""
    key = keys.add_key(load_settings(ROOT, os.environ), name, scope)
    console.out.print(key, markup=False)
    console.err.print(f"Clients send: Authorization: Bearer {keys.PREFIX}…; it is not shown again", markup=False)


@key_app.command("list")
def list_keys() -> None:
    """Names, scopes and the start of the hashes."""
    for key in keys.read_keys(load_settings(ROOT, os.environ)):
        console.out.print(f"{key.name}  {key.scope}  {key.sha256[:12]}", markup=False)


@key_app.command("remove")
def remove_key(name: str) -> None:
    """From now on it opens nothing, on connections that are open neither."""
    keys.remove_key(load_settings(ROOT, os.environ), name)
    console.done(f"removed the key of {name}")


@app.command()
def bench(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="Default: the one most often right.")] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option("--rate", metavar="R", min=0.01, help="Open loop at R requests/s; may be repeated."),
    ] = None,
    connections: Annotated[
        list[int] | None,
        typer.Option("--connections", metavar="N", min=1, help="Closed loop, N in flight; may be repeated."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Measured per run.")] = SECONDS,
    file: Annotated[Path | None, typer.Option("--file", metavar="IMAGE", help="Default: the first sample.")] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/bench", help="Folder of the figures and the report.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Measure a model of the running stack under load: rates, latencies, CPU time, memory."""
    asked = Bench(model, tuple(rate or ()), tuple(connections or ()), seconds, file, out)
    run_bench(connect(), current_project(), asked)


@app.command()
def plan(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="Which `scripts/stack bench` has measured.")],
    rate: Annotated[float, typer.Option("--rate", metavar="R", min=0.01, help="Requests/s to serve.")],
    p99: Annotated[float, typer.Option("--p99", metavar="MS", min=0.01, help="What 99 of 100 may take at most.")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    results: Annotated[
        Path, typer.Option("--results", show_default="artifacts/bench", help="Folder of bench's figures.")
    ] = ROOT / "artifacts/bench",
) -> None:
    """Say how many replicas, cores and gigabytes serve a rate within a p99 (docs/CAPACITY.md)."""
    run_plan(connect(), current_project(), Asked(model, rate, p99, results), as_json)


@app.command()
def tune(
    model: str,
    goal: Annotated[
        str, typer.Option("--goal", metavar="throughput|p99=MS", help="The most requests/s, or … within MS.")
    ] = "throughput",
    version: Annotated[str | None, typer.Option("--version", help="Default: the newest.")] = None,
    connections: Annotated[
        int | None, typer.Option("--connections", metavar="N", min=1, help="Default: 64, or 2 per CPU for slow models.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Measured per long trial.")] = tuning.SECONDS,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="MINUTES", min=0, help="Try less, to be done in about that time."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="IMAGE", help="Default: the first sample.")] = None,
    out: Annotated[
        Path, typer.Option("--out", show_default="artifacts/tune", help="Folder of the figures and the report.")
    ] = ROOT / "artifacts/tune",
    forget: Annotated[bool, typer.Option("--forget", help="Drop what an earlier run chose.")] = False,
) -> None:
    """Find a model's best workers, threads, batching and precision on this machine, for the next `up`."""
    if forget:
        tuning.forget(load_settings(ROOT, os.environ), model, version)
        return
    asked = tuning.Tune(model, version, Goal.parse(goal), connections, seconds, budget, file, out)
    tuning.run_tune(connect(), current_project(), asked)


@app.command()
def sbom(
    out: Annotated[Path, typer.Option("--out", show_default="artifacts/sbom", help="Folder of the files.")] = ROOT
    / "artifacts/sbom",
) -> None:
    """List what the images are made of: one CycloneDX file for each."""
    from stackcli.sbom import write_sboms  # costs the other commands' start nothing

    write_sboms(connect(), current_project().settings, out)


@app.command()
def doctor() -> None:
    """Check everything and explain each failure; exit 1 on any."""
    failed = run_doctor(connect_if_running(), current_project(needs_engine=False))
    console.phase("Nothing is wrong." if failed == 0 else f"{failed} checks failed.")
    raise typer.Exit(min(failed, 1))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def test(context: typer.Context, yes: Yes = False, base: Base = "auto") -> None:
    """Set everything up, then run all checks and tests; other arguments go to pytest."""
    raise typer.Exit(run_tests(Options(yes=yes, base=base), context.args))


def main() -> None:
    command.run(app, "scripts/stack")
