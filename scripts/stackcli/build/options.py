"""The options that the building commands share, and the settings that result from them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

import typer

from stackcli.build.base_image import RECIPES, BaseChoice
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings, load_settings, with_weights

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Install and start missing programs (needs root).")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail if a model is unavailable.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="MODEL=SPEC",
        help="Use other weights: MODEL=file:NAME (in the model's folder) or MODEL=random:SEED; repeatable.",
    ),
]
Base = Annotated[
    BaseChoice,
    typer.Option(
        "--base", help="auto: TORCHSERVE_IMAGE or its stand-in; official-alike: Debian 11, Python 3.9, torch 2.4.0."
    ),
]


@dataclass(frozen=True)
class Options:
    """The values of the shared options."""

    yes: bool = False
    strict: bool = False
    weights: tuple[str, ...] = ()
    base: BaseChoice = "auto"
    observability: bool = False


def chosen_settings(options: Options) -> Settings:
    """Applies the options to the environment's settings; a different base gets its own project. Raises ConfigError."""
    settings = with_weights(load_settings(ROOT, os.environ), list(options.weights))
    changes: dict[str, str] = {"strict": "1"} if options.strict else {}
    if options.base != "auto":
        changes["compose_project_name"] = changes["stack_tag"] = f"{settings.compose_project_name}-{options.base}"
        changes["model_store"] = f".stack/model_store-{options.base}"
        changes["torchserve_image"] = RECIPES[options.base].tag
    return settings.model_copy(update=changes)
