"""scripts/stack starts from anywhere, creates its environment once, and says what to run if it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackcli.common.paths import ROOT

NEEDED = ("bash", "dirname", "readlink", "sha256sum", "mkdir", "flock", "rm", "env")


def checkout(tmp_path: Path) -> Path:
    """A copy of scripts/ whose requirements are empty: making its environment is real, and quick."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "scripts" / "requirements.txt").write_text("# none\n")
    (tmp_path / "scripts" / "stackcli" / "__main__.py").write_text("import sys\nprint('started', *sys.argv[1:])\n")
    return tmp_path


def launch(
    folder: Path, *arguments: str, cwd: Path | None = None, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [str(folder / "scripts" / "stack"), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_line_starts_from_any_folder(tmp_path: Path) -> None:
    shown = launch(ROOT, "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert all(command in shown.stdout for command in ("up", "down", "status", "build", "predict", "test", "doctor"))


@pytest.mark.slow
def test_the_environment_is_made_once_and_again_when_half_made_or_outdated(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    first, second = launch(folder, "a b", "c"), launch(folder)
    assert first.stdout == "started a b c\n", first.stderr
    assert ("Preparing" in first.stderr, "Preparing" in second.stderr) == (True, False)
    (folder / ".stack/venv/stamp").unlink()  # killed before its end
    assert "Preparing" in launch(folder).stderr
    (folder / "scripts" / "requirements.txt").write_text("# still none\n")
    assert "Preparing" in launch(folder).stderr


@pytest.mark.slow
def test_two_first_launches_at_once_make_one_environment(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    command = [str(folder / "scripts" / "stack"), "x"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    results = [process.communicate(timeout=120) for process in both]
    assert [out for out, _ in results] == ["started x\n"] * 2
    assert sum("Preparing" in errors for _, errors in results) == 1


def test_a_machine_without_python_is_told_what_to_run(tmp_path: Path) -> None:
    folder, tools = checkout(tmp_path), tmp_path / "bin"
    tools.mkdir()
    for name in NEEDED:
        (tools / name).symlink_to(shutil.which(name) or name)
    launcher = folder / "scripts" / "stack"  # without the one place where every Linux has a Python
    launcher.write_text(launcher.read_text().replace(" /usr/bin/python3", ""))
    shown = launch(folder, "up", path=str(tools))
    assert shown.returncode == 1
    assert "FAIL: expected Python 3.10 or newer with venv\n      found " in shown.stderr
    assert "apt-get install python3 python3-venv" in shown.stderr


def test_a_failure_is_three_lines_without_a_traceback() -> None:
    shown = launch(ROOT, "predict", "mnist", "no-such-file.png")
    assert shown.returncode == 1
    assert shown.stderr.startswith("FAIL: expected a file to send\n      found no-such-file.png\n      try ")
    assert "Traceback" not in shown.stderr


def test_this_python_is_the_launchers_own() -> None:
    assert Path(sys.prefix) == ROOT / ".stack" / "venv"
