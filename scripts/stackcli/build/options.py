"""What the commands that build can be told, and the settings that follow from it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from stackcli.build.base_image import RECIPES, BaseChoice
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings, load_settings, with_weights

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Install and start what is missing (as root).")]
Strict = Annotated[bool, typer.Option("--strict", help="An unavailable model is an error.")]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", metavar="MODEL=SPEC", help="MODEL=file:NAME or MODEL=random:SEED.")
]
Base = Annotated[BaseChoice, typer.Option("--base", help="official-alike: Debian 11, Python 3.9, torch 2.4.0.")]


@dataclass(frozen=True)
class Options:
    """What the commands that build have in common."""

    yes: bool = False
    strict: bool = False
    weights: tuple[str, ...] = ()
    base: BaseChoice = "auto"
    observability: bool = False


def chosen_settings(options: Options) -> Settings:
    """The environment's settings with the command's options; another base is another project."""
    settings = with_weights(load_settings(ROOT, os.environ), list(options.weights))
    changes: dict[str, str] = {"strict": "1"} if options.strict else {}
    if options.base != "auto":
        changes["compose_project_name"] = changes["stack_tag"] = f"{settings.compose_project_name}-{options.base}"
        changes["model_store"] = f".stack/model_store-{options.base}"
        changes["torchserve_image"] = RECIPES[options.base].tag
    return settings.model_copy(update=changes)
