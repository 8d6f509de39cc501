"""releases.json in the model store: which versions of a model are served, and which of them gets unversioned requests.

`scripts/stack release` alone writes it; the runtime (runtime/served.py) and the edge (supervisor/models.py) read it. A
model without an entry is served in all its versions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from stackcli.errors import ConfigError
from stackcli.models import store_folder
from stackcli.secrets import write_if_changed
from stackcli.settings import Settings

# As the edge takes it.
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")


class Canary(BaseModel):
    """`weight`: percent of the unversioned requests; `sticky_header`: clients that send it always get one version."""

    version: str
    weight: Annotated[int, Field(ge=0, le=100)]
    sticky_header: str | None = None


class Release(BaseModel):
    """A model's entry: `stable` gets unversioned requests, `previous` got them before; all of `deployed` are served."""

    stable: str
    previous: str | None = None
    canary: Canary | None = None
    deployed: list[str]

    def with_deployed(self, version: str) -> Release:
        return self.model_copy(update={"deployed": [*(one for one in self.deployed if one != version), version]})

    def with_canary(self, canary: Canary | None) -> Release:
        return self.model_copy(update={"canary": canary})

    def promoted(self, version: str) -> Release:
        return self.model_copy(update={"stable": version, "previous": self.stable, "canary": None})

    def rolled_back(self) -> Release:
        """Without its canary; where it has none, to the version before, after which there is no other to go back to."""
        if self.canary or self.previous is None:
            return self.with_canary(None)
        return self.model_copy(update={"stable": self.previous, "previous": None})


class Releases(BaseModel):
    """The file."""

    model_config = ConfigDict(populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    models: dict[str, Release] = {}


def releases_file(settings: Settings) -> Path:
    return store_folder(settings) / "releases.json"


def read_releases(settings: Settings) -> dict[str, Release]:
    """By the model's name; empty where nothing was released. Raises ConfigError."""
    file = releases_file(settings)
    if not file.is_file():
        return {}
    try:
        return Releases.model_validate_json(file.read_text()).models
    except (ValidationError, UnicodeDecodeError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        remedy = "correcting it, or deleting it: then all versions are served"
        raise ConfigError(f"what `scripts/stack release` wrote in {file}", problem, remedy) from None


def write_release(settings: Settings, name: str, release: Release) -> None:
    """The other models' entries stay; a reader sees the old file or the new one."""
    releases = Releases(models={**read_releases(settings), name: release})
    write_if_changed(releases_file(settings), releases.model_dump_json(indent=1, by_alias=True) + "\n")
