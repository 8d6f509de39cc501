"""Returns the project that the environment and .env describe."""

from __future__ import annotations

import os

import docker
from docker.errors import DockerException

from stackcli.common.errors import StackError
from stackcli.common.paths import ROOT
from stackcli.machine.checks import check_engine
from stackcli.machine.engine import connect, find_engine
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings


def current_project(needs_engine: bool = True) -> Project:
    """Returns the project for commands that run `docker compose` but build nothing. Raises StackError."""
    settings = load_settings(ROOT, os.environ)
    engine = find_engine()
    if needs_engine and not engine.is_usable:
        raise check_engine(engine, yes=False).error()
    return Project(settings, settings.torchserve_image, write_secrets())


def running_project() -> tuple[docker.DockerClient, Project]:
    """Returns client and project for read-only commands; starts no other program unless the engine does not answer.

    Raises StackError that says what is wrong with the engine.
    """
    settings = load_settings(ROOT, os.environ)
    try:
        client = connect()
        client.ping()
    except (DockerException, StackError, OSError) as error:
        check = check_engine(find_engine(), yes=False)
        if check.verdict == "failed":
            raise check.error() from None
        raise StackError("a running Docker Engine", str(error), "`scripts/stack doctor`") from None
    return client, Project(settings, settings.torchserve_image)
