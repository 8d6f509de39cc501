"""`python -m runtime.overlay NAME VERSION`: serves a version with some of its files changed, for `scripts/stack dev`.

The changed files come as a tar on stdin. The version's workers are replaced while it answers. Its archive in the model
store does not change, and the next deployment or start serves that archive again.
"""

import json
import shutil
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from contract.archive import archive_sha256
from contract.failure import Failure, failure_line
from runtime import prepare, release, state
from runtime.errors import ServingError


def main(arguments: Sequence[str]) -> int:
    """Prints what was done as JSON and returns 0, or prints a failure as JSON and returns 1."""
    try:
        if len(arguments) != 2:
            raise ServingError("a name and a version", " ".join(arguments), "exactly these two arguments")
        with release.one_at_a_time():
            print(json.dumps(overlay(*arguments, sys.stdin.buffer)))
    except Failure as failure:
        print(failure_line(failure))
        return 1
    except (OSError, ValueError, tarfile.TarError) as error:
        print(failure_line(Failure("TorchServe to load the files", str(error), "`docker compose logs torchserve`")))
        return 1
    return 0


def overlay(name: str, version: str, files: IO[bytes]) -> release.Done:
    """Serves the version with these files in place of the archived ones. Raises ServingError for an unknown file."""
    served = release.served_model(name, version)
    if served is None:
        raise ServingError(f"{name} {version} to be served", "that it is not", "`scripts/stack status`")
    before = release.find_entry(name, version)
    source = prepare.UNPACKED / before["marName"]
    folder = other_folder(source)
    try:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
        changed = write_files(files, folder)
        entry = {**before, "marName": folder.name}
        answer = release.replace_workers(name, version, entry)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    release.change_snapshot(lambda models: models[name].update({version: entry}))
    shutil.rmtree(source, ignore_errors=True)
    # Record a hash that differs from the archive's, so that the next deployment serves the archive again.
    state.keep_chosen(state.with_chosen(state.read_chosen(), replace(served, sha256=archive_sha256(folder))))
    return {"done": "overlaid", "files": changed, **answer}


def other_folder(source: Path) -> Path:
    """Returns an unused folder next to `source`; the two names alternate."""
    name = source.name.removesuffix("+dev") if source.name.endswith("+dev") else f"{source.name}+dev"
    folder = source.with_name(name)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def write_files(files: IO[bytes], folder: Path) -> "list[str]":
    """Overwrites files in `folder` with the tar's; returns their names. Raises ServingError for a file it lacks."""
    written = []
    with tarfile.open(fileobj=files, mode="r|") as archive:
        for member in archive:
            target = folder / member.name
            content = archive.extractfile(member)
            if content is None or not target.is_file() or folder.resolve() not in target.resolve().parents:
                raise ServingError(f"only files that {folder.name} has", member.name, "`scripts/stack up`")
            target.unlink()  # it may be a link into the read-only store
            target.write_bytes(content.read())
            written.append(member.name)
    return written


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
