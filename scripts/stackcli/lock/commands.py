"""`scripts/stack lock`."""

from __future__ import annotations

from typing import Annotated

import typer

from stackcli.lock.run import lock_and_tell


def lock(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="Pinned files or their .in files; default: all.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would change, write nothing, and exit 1 if anything would.")
    ] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions, not the pinned ones.")] = False,
) -> None:
    """Resolve the requirements files again, with hashes, from the package index that pip uses.

    Pins that still satisfy their .in file stay, unless you pass --upgrade.
    """
    changed = lock_and_tell(files or [], check, upgrade)
    raise typer.Exit(int(check and changed > 0))
