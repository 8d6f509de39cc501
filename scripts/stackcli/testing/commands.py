"""`scripts/stack test`: runs all checks and tests, or some, after setting up only what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from stackcli.build.options import Base, Options, Yes, chosen_settings
from stackcli.common import console
from stackcli.common.paths import ROOT
from stackcli.common.process import capture
from stackcli.machine.browser import ensure_browser
from stackcli.machine.engine import connect_if_running
from stackcli.machine.packages import install_packages
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.containers import find_container
from stackcli.testing.asked import pytests_words, reach, side_by_side, suite_of
from stackcli.testing.suites import prepare_bases, suite_commands
from stackcli.up.bring_up import bring_up

SLOWEST = ["--durations=10"]


def test(context: typer.Context, yes: Yes = False, base: Base = "auto") -> None:
    """Run all checks and tests, or one group of them.

    The groups are unit, lint, page, builder, runtime, edge and load. Only what the tests need is set up first. unit
    and lint need no Docker; without its compose command, lint leaves out the compose files. builder, runtime, edge and
    load run inside their images and need no running stack; page tests the playground in a browser. All other arguments
    go to pytest: paths, -k, -x.
    """
    raise typer.Exit(run_tests(Options(yes=yes, base=base), context.args))


def run_tests(options: Options, arguments: list[str]) -> int:
    """Sets up and runs the tests; returns pytest's exit status. Raises StackError."""
    asked = suite_of(arguments)
    if asked:
        return run_suite(options, *asked)
    console.phase("Preparing the tests…")
    install_packages("test")
    words = pytests_words(arguments, has_compose())
    if options.base != "auto" and not any(Path(word).exists() for word in words):
        words = ["tests/integration", *words]
    if reach(words, "browser"):
        ensure_browser(options.yes)
    if reach(words, "browser") or reach(words, "integration"):
        return run_with_stack(options, words)
    project = prepare_bases(options) if reach(words, "containers") else None
    console.phase("Testing…")
    return pytest(words, project.environment if project else os.environ)


def run_suite(options: Options, suite: str, arguments: list[str]) -> int:
    """Runs a suite in its image, showing pytest's output; returns the exit status."""
    console.phase("Preparing the image…")
    build, run = suite_commands(prepare_bases(options, (suite,)), suite, *arguments)
    built = capture(build, timeout=None)
    if built.returncode != 0:
        console.out.print(built.stderr, markup=False)
        return built.returncode
    console.phase("Testing…")
    sys.stdout.flush()
    return subprocess.run(run, cwd=ROOT, check=False).returncode


def run_with_stack(options: Options, words: list[str]) -> int:
    """Starts the stack and runs the tests; a stack on another base is removed afterwards. Returns the exit status."""
    if options.base != "auto":
        stop_default_project(options)
    client, project = bring_up(options)
    client.close()
    console.phase("Testing…")
    status = pytest(words, project.environment)
    if options.base != "auto":
        project.capture("down")
    return status


def has_compose() -> bool:
    """Tells whether the compose command is installed; needs no engine."""
    return capture(["docker", "compose", "version"]).returncode == 0


def pytest(words: list[str], environment: Mapping[str, str]) -> int:
    """Runs pytest with the linters next to this Python on the PATH; returns its exit status."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    command = [sys.executable, "-m", "pytest", *SLOWEST, *side_by_side(words), *words]
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, env={**environment, "PATH": path}, check=False).returncode


def stop_default_project(options: Options) -> None:
    """Stops the default project, because another base's project uses the same ports."""
    client = connect_if_running()
    settings = chosen_settings(Options())
    if client is None or find_container(client, settings.compose_project_name) is None:
        return
    console.say(
        f"stopping {settings.compose_project_name}: {options.base} uses its ports (`scripts/stack up` starts it)"
    )
    Project(settings, settings.torchserve_image, write_secrets()).do("stop")
