"""Writes files to EDGE_SECRETS, the folder from which the edge reads its API keys and certificate."""

from __future__ import annotations

import os
from pathlib import Path

from stackcli.common.paths import ROOT, SECRETS
from stackcli.project.settings import Settings

CERTIFICATE, PRIVATE_KEY, CA = "certificate.pem", "private-key.pem", "ca.pem"
EDGE_ID = 1000  # user of docker/edge


def secrets_folder(settings: Settings) -> Path:
    return ROOT / settings.edge_secrets


def write_secret(path: Path, content: str) -> None:
    """Writes a file that only the edge's user may read, if this user can arrange that.

    Otherwise (this user is neither root nor the edge's user) the file is world-readable; .stack/secrets, which only
    this user may enter, protects it.
    """
    make_folder(path.parent)
    write_private(path, content, for_edge=True)


def write_private(path: Path, content: str, for_edge: bool = False) -> None:
    """Replaces the file atomically; only this user may read it or, with `for_edge`, the edge."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    if for_edge and os.geteuid() == 0:
        os.chown(partial, EDGE_ID, EDGE_ID)
    elif for_edge and os.geteuid() != EDGE_ID:
        partial.chmod(0o644)
    partial.replace(path)


def make_folder(folder: Path) -> None:
    """Makes a folder that the edge's user may enter; .stack/secrets keeps everyone else out."""
    if folder.is_relative_to(SECRETS):
        SECRETS.mkdir(parents=True, exist_ok=True)
        SECRETS.chmod(0o700)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(0o755)
