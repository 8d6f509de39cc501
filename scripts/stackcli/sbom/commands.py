"""`scripts/stack sbom`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.project.current import current_project


def sbom(
    out: Annotated[Path, typer.Option("--out", show_default="artifacts/sbom", help="Folder for the files.")] = ROOT
    / "artifacts/sbom",
) -> None:
    """Write a software bill of materials (CycloneDX) for each image."""
    from stackcli.sbom.images import write_sboms  # slow to import

    write_sboms(connect(), current_project().settings, out)
