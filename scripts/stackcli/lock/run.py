"""Resolves each file in a copy of the folders that hold them, and writes those that differ for pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.files import write_if_changed
from stackcli.common.paths import ROOT
from stackcli.lock.files import Lock, all_locks, chosen_locks
from stackcli.lock.indexes import uv_environment
from stackcli.lock.pins import changes_between, header_of
from stackcli.machine.packages import install_packages
from stackcli.machine.registries import write_secrets

WITHOUT = "left-out.txt"
SHARED = "benchmarks/peers/shared/requirements.in"


def lock_and_tell(files: Sequence[str], check: bool, upgrade: bool) -> int:
    """Returns how many files differ; with `check` none of them is written."""
    locks = chosen_locks(files)
    console.phase("Preparing the resolver…")
    install_packages("lock")
    environment = uv_environment(write_secrets(), os.environ)
    console.phase("Resolving (nothing is written)…" if check else "Resolving…")
    with tempfile.TemporaryDirectory(prefix="torchserve-stack-") as folder:
        copy_files(Path(folder))
        changed = sum(renew(lock, Path(folder), environment, check, upgrade) for lock in locks)
    if not changed:
        console.phase("Every file is as it would be made now.")
    else:
        console.phase(f"{changed} files would change." if check else f"{changed} files written: run the tests.")
    return changed


def copy_files(folder: Path) -> None:
    """Copies every file that a resolution may read to the same place in `folder`."""
    for name in [SHARED, *(name for lock in all_locks() for name in (lock.source, lock.target))]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def renew(lock: Lock, folder: Path, environment: Mapping[str, str], check: bool, upgrade: bool) -> bool:
    """Tells whether the file differs for pip, and writes it unless `check`; comments do not count."""
    target = ROOT / lock.target
    before = target.read_text() if target.is_file() else f"# Pinned from {Path(lock.source).name}: scripts/stack lock\n"
    with console.waiting(lock.target):
        resolve(lock, folder, environment, upgrade)
    after = header_of(before) + (folder / lock.target).read_text()
    changes = changes_between(before, after)
    if not changes:
        console.done(f"{lock.target}: unchanged")
        return False
    if not check:
        write_if_changed(target, after)
    console.done(f"{lock.target}: {'would change' if check else 'changed'}")
    for change in changes:
        console.say(f"  {change}")
    return True


def resolve(lock: Lock, folder: Path, environment: Mapping[str, str], upgrade: bool) -> None:
    """Writes the target in `folder`. Raises BuildError with the resolver's own words."""
    place = (folder / lock.source).parent
    command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--universal", "--no-header"]
    command += ["--generate-hashes", f"--python-version={lock.python}", f"--python={sys.executable}"]
    if lock.without:
        # A condition that no machine meets tells uv that a package is never needed.
        (place / WITHOUT).write_text("".join(f"{name} ; sys_platform == 'never'\n" for name in lock.without))
        command.append(f"--override={WITHOUT}")
    command += [f"--constraint={name}" for name in lock.constraints]
    command += ["--upgrade"] if upgrade else []
    command += [Path(lock.source).name, f"--output-file={Path(lock.target).name}"]
    ended = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        reason = " ".join(ended.stderr.split()) or "no reason given"
        raise BuildError(f"pins for {lock.source}", reason, "another range in that file, or pip's own configuration")
