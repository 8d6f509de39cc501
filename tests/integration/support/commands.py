"""Runs commands on this machine and in containers of the stack's images; their output is the failure's text."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from integration.support.users import PROJECT_ROOT, image

COMMAND_LIMIT_S = 420


def run_command(
    command: list[str], environment: Mapping[str, str], limit_s: float = COMMAND_LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Runs a command with stdout and stderr together, as on a terminal; one that exceeds its limit fails the test."""
    try:
        return subprocess.run(
            command,
            env=dict(environment),
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        pytest.fail(f"{' '.join(command)}: still running after {limit_s} s\n{expired.stdout!r}")


def run_in_image(
    part: str, command: list[str], mounts: Mapping[Path | str, str], environment: Mapping[str, str] | None = None
) -> str:
    """Run a command in a fresh container of one of the stack's images, without network.

    mounts: folder of the host or name of a volume → path in the container, with ":ro" to protect it.
    """
    arguments = ["docker", "run", "--rm", "--network", "none", "--entrypoint", command[0]]
    arguments += ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp", "--workdir", "/tmp"]
    for source, target in mounts.items():
        arguments += ["--volume", f"{source}:{target}"]
    for name, value in (environment or {}).items():
        arguments += ["--env", f"{name}={value}"]
    ended = run_command([*arguments, image(part), *command[1:]], os.environ)
    assert ended.returncode == 0, f"{' '.join(command)} in {image(part)}: exit {ended.returncode}\n{ended.stdout}"
    return ended.stdout
