"""Reads and writes tuned.json in the model store for `scripts/stack tune`; contract/tuned.py has the format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contract import tuned
from contract.failure import Failure
from contract.tuned import Tuned
from stackcli.common.errors import ConfigError
from stackcli.common.files import write_if_changed
from stackcli.project.settings import Settings
from stackcli.store.manifest import Model, label_of, store_folder

Entries = dict[str, Tuned]  # by "<name> <version>"


def tuned_file(settings: Settings) -> Path:
    return store_folder(settings) / tuned.TUNED


def read_tuned(settings: Settings) -> Entries:
    """Returns the entries by label; {} if nothing was tuned. Raises ConfigError."""
    try:
        return tuned.read_tuned(store_folder(settings))
    except Failure as failure:
        raise ConfigError(failure.expected, failure.found, failure.remedy) from None


def keep_tuned(settings: Settings, model: Model, entry: Tuned) -> None:
    """Writes a model's entry; the other models keep theirs. Raises ConfigError."""
    write(settings, {**read_tuned(settings), label_of(model): entry})


def forget_tuned(settings: Settings, name: str, version: str | None) -> list[str]:
    """Removes a model's entries, or one version's; returns their labels, [] if there were none. Raises ConfigError."""
    entries = read_tuned(settings)
    gone = [label for label in entries if label == f"{name} {version}" or (not version and label.split()[0] == name)]
    if gone:
        # The file is kept even if empty, so that `up` sees its modification time.
        write(settings, {label: entry for label, entry in entries.items() if label not in gone})
    return gone


def write(settings: Settings, entries: Mapping[str, Tuned]) -> None:
    write_if_changed(tuned_file(settings), tuned.tuned_text(entries))
