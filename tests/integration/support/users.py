"""The user's own objects, which tests only read: this checkout, the project, its folders, images and volumes."""

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[3]
ARTIFACTS = PROJECT_ROOT / "artifacts"


def cache_volume() -> str:
    """Returns the named volume with the user's downloads and data sets."""
    return f"{users_project()}_builder-cache"


def users_project() -> str:
    return os.environ.get("COMPOSE_PROJECT_NAME") or "torchserve-stack"


def users_tag() -> str:
    """Returns the images' tag, so that the images of the user's stack are tested."""
    return os.environ.get("STACK_TAG") or users_project()


def users_folder(variable: str, default: str) -> Path:
    return (PROJECT_ROOT / (os.environ.get(variable) or default)).resolve()


def image(part: str) -> str:
    """Returns the image of a part: "builder", "torchserve", "edge" or "load"."""
    return f"torchserve-stack/{part}:{users_tag()}"
