"""`scripts/stack status` in its forms: once or live, as tables, JSON or a picture."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from stackcli.common import console
from stackcli.common.errors import ConfigError, StackError
from stackcli.project.current import running_project
from stackcli.status.as_json import described_failure, described_stack
from stackcli.status.as_table import rendered, write_picture
from stackcli.status.read import read_serving
from stackcli.status.watch import EVERY_SECONDS, watch


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 2 s until q or Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON (docs/reference/status-json.md).")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Write it as an SVG picture.")] = None,
) -> None:
    """Show the stack's health and each model's traffic. The exit status is 1 unless the stack is healthy."""
    if not show_status(watch, as_json, svg):
        raise typer.Exit(1)


def show_status(live: bool, as_json: bool, picture: Path | None) -> bool:
    """Shows the status and tells whether the stack is healthy. Raises StackError."""
    if picture and (live or as_json):
        raise ConfigError("--svg without --watch and --json", "both", "dropping one of them")
    if as_json:
        return show_json(live)
    client, project = running_project()
    if picture:
        serving = read_serving(client, project, with_metrics=True)
        write_picture(serving, project.settings, picture)
        console.done(f"written: {picture}")
        return serving.is_healthy

    def screen() -> tuple[RenderableType, bool]:
        serving = read_serving(client, project, with_metrics=True)
        remedy = [] if serving.is_healthy else [Text("Try: scripts/stack up, scripts/stack doctor")]
        return Group(rendered(serving, project.settings, console.out), *remedy), serving.is_healthy

    if live:
        return watch(screen, console.out)
    shown, is_healthy = screen()
    console.out.print(shown)
    return is_healthy


def show_json(live: bool) -> bool:
    """Prints one object, with `live` one per line until Ctrl-C; all other output goes to stderr."""
    console.out.stderr = True
    content = read_json()
    try:
        while live:
            print(json.dumps(content, ensure_ascii=False), flush=True)
            time.sleep(EVERY_SECONDS)
            content = read_json()
    except KeyboardInterrupt:
        return bool(content["healthy"])
    print(json.dumps(content, ensure_ascii=False, indent=1))
    return bool(content["healthy"])


def read_json() -> dict[str, Any]:
    """Reads the status; if it cannot be read, for example without a Docker Engine, the object has the same shape."""
    try:
        client, project = running_project()
        return described_stack(read_serving(client, project, with_metrics=True), project.settings)
    except StackError as failure:
        return described_failure(failure)
