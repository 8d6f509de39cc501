"""`scripts/stack test`: its own set-up, then every check and test in one pytest run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import typer

from stackcli.build.options import Base, Options, Yes, chosen_settings
from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import sha256_of
from stackcli.common.paths import ROOT, STATE
from stackcli.common.process import capture
from stackcli.machine.browser import ensure_browser
from stackcli.machine.engine import connect_if_running
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.containers import find_container
from stackcli.up.bring_up import bring_up

REQUIREMENTS = ROOT / "scripts" / "requirements-test.txt"
BROWSER_TESTS = ROOT / "tests" / "browser"
TO_PYTEST = {"allow_extra_args": True, "ignore_unknown_options": True}


def test(context: typer.Context, yes: Yes = False, base: Base = "auto") -> None:
    """Set everything up, then run all checks and tests; other arguments go to pytest."""
    raise typer.Exit(run_tests(Options(yes=yes, base=base), context.args))


def install_requirements() -> None:
    """Into the launcher's environment, once per content of requirements-test.txt."""
    stamp, wanted = Path(sys.prefix) / "stamp-test", sha256_of(REQUIREMENTS)
    with (STATE / "venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        console.say("installing scripts/requirements-test.txt")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        installed = capture([*command, "--require-hashes", "-r", str(REQUIREMENTS)], timeout=None)
        if installed.returncode != 0:
            reason = next(iter(installed.stderr.strip().splitlines()[-1:]), "no reason given")
            raise BuildError("the packages of scripts/requirements-test.txt", reason, "pip's own configuration")
        stamp.write_text(wanted)


def run_tests(options: Options, arguments: list[str]) -> int:
    """Returns pytest's exit status; its summary is the last line printed."""
    console.phase("Preparing the tests…")
    install_requirements()
    paths = [] if options.base == "auto" or any(Path(word).exists() for word in arguments) else ["tests/integration"]
    if drives_a_browser([*paths, *arguments]):
        ensure_browser(options.yes)
    if options.base != "auto":
        stop_default_project(options)
    client, project = bring_up(options)
    client.close()
    console.phase("Testing…")
    status = pytest([*paths, *arguments], project)
    if options.base != "auto":
        project.capture("down")
    return status


def drives_a_browser(arguments: list[str]) -> bool:
    """Whether pytest, so called, runs tests/browser: it names them, or what they lie in, or nothing at all."""
    named = [path for word in arguments if (path := (ROOT / word.partition("::")[0])).exists()]
    return not named or any(BROWSER_TESTS.is_relative_to(path) or path.is_relative_to(BROWSER_TESTS) for path in named)


def pytest(arguments: list[str], project: Project) -> int:
    """The linters lie beside this Python, and the tests see the stack's own variables."""
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    env = {**project.environment, "PATH": path}
    sys.stdout.flush()
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=env, check=False).returncode


def stop_default_project(options: Options) -> None:
    """Both projects use the same ports."""
    client = connect_if_running()
    settings = chosen_settings(Options())
    if client is None or find_container(client, settings.compose_project_name) is None:
        return
    console.say(
        f"stopping {settings.compose_project_name}: {options.base} uses its ports (`scripts/stack up` starts it)"
    )
    Project(settings, settings.torchserve_image, write_secrets()).do("stop")
