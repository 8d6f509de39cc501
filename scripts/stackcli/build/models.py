"""Runs the builder, which writes the model store."""

from __future__ import annotations

import os
import re

from stackcli.common import console
from stackcli.common.errors import FAILURE, BuildError
from stackcli.project.compose import Project
from stackcli.project.settings import Settings
from stackcli.store.manifest import read_manifest, store_folder


def prepare_store(settings: Settings) -> None:
    """The builder runs as STACK_UID, and must own what it writes."""
    store = store_folder(settings)
    store.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        for path in (store, *store.rglob("*")):
            if path.lstat().st_uid != settings.stack_uid:
                os.chown(path, settings.stack_uid, settings.stack_gid, follow_symlinks=False)


def run_builder(project: Project, arguments: list[str]) -> bool:
    """Shows the builder's lines as they come; returns whether the store changed. Fails with the builder's reason."""
    prepare_store(project.settings)
    lines: list[str] = []

    def take(line: str) -> None:
        if line and not re.match(r"^\s*(Container|Network|Volume) ", line):
            lines.append(line)
            console.say(line)

    status = project.stream(take, "run", "--rm", "-T", "--no-deps", "builder", *arguments)
    if status != 0:
        raise failure_of(lines, status)
    if not any(model.is_available for model in read_manifest(project.settings).models):
        found = f"{len(read_manifest(project.settings).models)} in the manifest, none available"
        raise BuildError("a model to serve", found, "the remedies above, or a folder with a model.yaml in model_src")
    return any(re.search(r": (built|removed)\b", line) for line in lines)


def failure_of(lines: list[str], status: int) -> BuildError:
    for line in reversed(lines):
        match = FAILURE.search(line)
        if match:
            who = f"{match['who']}: " if match["who"] else ""
            return BuildError(who + match["expected"], match["found"], match["remedy"])
    out_of_memory = "a larger BUILDER_MEMORY in .env" if status == 137 else "the builder's lines above"
    found = f"exit status {status}{' (killed, most often for its memory)' if status == 137 else ''}"
    return BuildError("the builder to succeed", found, out_of_memory)
