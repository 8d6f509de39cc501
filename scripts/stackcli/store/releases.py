"""Reads and writes releases.json in the model store for `scripts/stack release`; its format: contract/releases.py."""

from __future__ import annotations

from pathlib import Path

from contract import releases
from contract.releases import Release
from stackcli.common.errors import ConfigError
from stackcli.common.files import write_if_changed
from stackcli.project.settings import Settings
from stackcli.store.manifest import store_folder


def releases_file(settings: Settings) -> Path:
    return store_folder(settings) / releases.RELEASES


def read_releases(settings: Settings) -> dict[str, Release]:
    """Returns the releases by model name. Raises ConfigError: a file that cannot be read must not be changed."""
    entries, problems = releases.read_releases(store_folder(settings))
    for problem in problems:
        raise ConfigError(problem.expected, problem.found, problem.remedy)
    return entries


def write_release(settings: Settings, name: str, release: Release) -> None:
    """Replaces one model's release, atomically; the other models keep theirs. Raises ConfigError."""
    entries = {**read_releases(settings), name: release}
    write_if_changed(releases_file(settings), releases.releases_text(entries))
