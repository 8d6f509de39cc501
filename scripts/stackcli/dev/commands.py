"""`scripts/stack dev`."""

from __future__ import annotations

import os

from stackcli.build.options import Options, Yes
from stackcli.common import console
from stackcli.common.paths import ROOT
from stackcli.dev.changes import find_watched
from stackcli.dev.watch import watch
from stackcli.project.settings import load_settings
from stackcli.up.bring_up import bring_up

OVERLAY = "compose.dev.yaml"


def dev(yes: Yes = False) -> None:
    """Start the stack and apply source changes as you save.

    That covers handlers, the page, and the Python of the edge and the runtime.
    """
    files = load_settings(ROOT, os.environ).compose_file or "compose.yaml"
    os.environ["COMPOSE_FILE"] = f"{files}:{OVERLAY}"
    client, project = bring_up(Options(yes))
    console.phase("Watching (Ctrl-C stops watching; the stack keeps running)…")
    try:
        watch(find_watched(client, project))
    except KeyboardInterrupt:
        console.say("The model store is unchanged: run `scripts/stack up` to build and check your changes.")
