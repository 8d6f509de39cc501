"""Saves the evidence of a failed test under artifacts/: the logs and `docker inspect` of every container."""

import json
from collections.abc import Callable
from pathlib import Path

from integration.support.stack import live_deployments
from integration.support.users import ARTIFACTS

# What else tests have running, each with how it writes what there is to know into a folder.
keepers: list[Callable[[Path], None]] = []


def keep_evidence(test: str) -> None:
    """Logs and docker inspect of every container of every live project, under artifacts/<test>/."""
    folder = ARTIFACTS / "".join(character if character.isalnum() or character in "-_." else "_" for character in test)
    for keep in keepers:
        folder.mkdir(parents=True, exist_ok=True)
        keep(folder)
    for deployment in list(live_deployments.values()):
        for container in deployment.containers():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{container.name}.log").write_bytes(container.logs(timestamps=True))
            (folder / f"{container.name}.inspect.json").write_text(json.dumps(container.attrs, indent=1))
