"""Runs other programs: captured, streamed line by line, or logged with only the significant lines shown."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stackcli.common.paths import ROOT


def capture(command: Sequence[str], timeout: float | None = 60) -> subprocess.CompletedProcess[str]:
    """Runs a program and captures its output; a missing one, or one slower than `timeout` seconds, has failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def stream(
    command: Sequence[str], show: Callable[[str], None], env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> int:
    """Passes each line of stdout and stderr to `show` as it comes; returns the exit status."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=cwd, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            show(line.rstrip())
    return process.returncode


def stream_logged(
    command: Sequence[str], log: Path, show: Callable[[str], None], telling: str, env: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Writes all output to `log` and passes lines that match `telling` to `show`; returns exit status and all lines."""
    lines: list[str] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:

        def take(line: str) -> None:
            lines.append(line)
            print(line, file=file, flush=True)
            if re.search(telling, line):
                show(line)

        return stream(command, take, env), lines
