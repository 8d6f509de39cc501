"""tuned.json in the model store: what `scripts/stack tune` chose for each model, read by the runtime at its start."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from stackcli.common.errors import ConfigError
from stackcli.common.files import write_if_changed
from stackcli.project.settings import Settings
from stackcli.store.manifest import Model, label_of, store_folder


class Figures(BaseModel):
    """Requests/s and milliseconds, of the chosen setting and of the default one in the same comparison."""

    rate: float
    p99_ms: float
    default_rate: float | None = None
    default_p99_ms: float | None = None


class Tuned(BaseModel):
    """One model's entry: its `settings`, what they were chosen for, and what that holds for."""

    model_config = ConfigDict(extra="allow")

    goal: str
    settings: dict[str, int | str]
    date: str = ""
    cpu: str = ""
    cpus: int = 0
    connections: int = 0
    figures: Figures | None = None


Entries = dict[str, Tuned]  # by "<name> <version>"
ENTRIES = TypeAdapter(Entries)


def tuned_file(settings: Settings) -> Path:
    return store_folder(settings) / "tuned.json"


def read_tuned(settings: Settings) -> Entries:
    """Empty where nothing was tuned."""
    file = tuned_file(settings)
    if not file.is_file():
        return {}
    try:
        return ENTRIES.validate_json(file.read_text())
    except (ValidationError, UnicodeDecodeError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ConfigError(
            f"what `scripts/stack tune` wrote in {file}", problem, "deleting it, and tuning again"
        ) from None


def keep_tuned(settings: Settings, model: Model, entry: Tuned) -> None:
    """The other models' entries stay."""
    write(settings, {**read_tuned(settings), label_of(model): entry})


def forget_tuned(settings: Settings, name: str, version: str | None) -> list[str]:
    """Returns what is forgotten: the model's entries, of one version where one is named."""
    entries = read_tuned(settings)
    gone = [label for label in entries if label == f"{name} {version}" or (not version and label.split()[0] == name)]
    if gone:
        # An empty file, not none: a change that `up` can see the time of.
        write(settings, {label: entry for label, entry in entries.items() if label not in gone})
    return gone


def write(settings: Settings, entries: Entries) -> None:
    text = ENTRIES.dump_json(dict(sorted(entries.items())), indent=1, exclude_none=True, exclude_unset=True).decode()
    write_if_changed(tuned_file(settings), text + "\n")
