"""The project as the environment and .env describe it now."""

from __future__ import annotations

import os

from stackcli.common.paths import ROOT
from stackcli.machine.checks import check_engine
from stackcli.machine.engine import find_engine
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings


def current_project(needs_engine: bool = True) -> Project:
    """The project as it is, for commands that build nothing."""
    settings = load_settings(ROOT, os.environ)
    engine = find_engine()
    if needs_engine and not engine.is_usable:
        raise check_engine(engine, yes=False).error()
    return Project(settings, settings.torchserve_image, write_secrets())
