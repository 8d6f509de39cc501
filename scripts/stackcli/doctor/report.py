"""`scripts/stack doctor --report`: prints what a maintainer needs to know about a stack, as Markdown for an issue.

It is read by strangers: whatever comes from the machine passes through allowed.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import docker
from docker.errors import DockerException

from stackcli.build.base_image import RECIPES, find_base_image
from stackcli.common import console, version
from stackcli.common.check import Check
from stackcli.common.errors import StackError
from stackcli.common.paths import ROOT
from stackcli.doctor import allowed
from stackcli.doctor.checks import all_checks
from stackcli.doctor.machine import machine_facts
from stackcli.machine.engine import connect_if_running
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.containers import find_unwell
from stackcli.project.settings import Settings, load_settings
from stackcli.status.read import inside_of, state_of
from stackcli.store.manifest import read_manifest
from stackcli.store.served import decide_served

Rows = Sequence[Sequence[str]]
IMAGES = ("builder", "torchserve", "edge", "load", "prometheus")
ENGINES = ("openvino", "onnxruntime", "torchscript", "eager")
PRECISIONS = ("f32", "f16", "bf16", "int8")
UNKNOWN = "not known"


def print_report() -> None:
    """Prints the report on stdout, and nothing else there."""
    console.leave_stdout_alone()
    console.phase("Collecting (no changes)…")
    print(report(connect_if_running()), end="")


def report(client: docker.DockerClient | None) -> str:
    """Makes the report. `client`: None if no engine answers."""
    settings, problem = known_settings()
    parts = [
        "### Report of `scripts/stack doctor --report`\n",
        table(
            ("what", "found"), [*version_facts(), *machine_facts(client), ("base image", base_image(client, settings))]
        ),
        "\n#### Settings that differ from the defaults\n",
        table(("setting", "value"), [*problem, *changed_settings(settings)]),
        "\n#### Images\n",
        table(("image", "id", "labels"), image_rows(client, settings)),
        "\n#### Checks\n",
        table(("check", "verdict", "found"), check_rows(client, settings)),
        "\n#### Models\n",
        table(("model", "version", "state", "engine", "precision"), model_rows(client, settings)),
    ]
    return "".join(parts)


def table(head: Sequence[str], rows: Rows) -> str:
    """Makes a Markdown table; a single line if there is nothing to show."""
    if not rows:
        return "none\n"
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def known_settings() -> tuple[Settings, Rows]:
    """Returns the settings; if .env or the environment has an unusable value, the defaults with a row that says so."""
    try:
        return load_settings(ROOT, os.environ), []
    except StackError:
        return Settings(), [("all", "not readable: .env or the environment has a value that cannot be used")]


def version_facts() -> Rows:
    return [("version", version.version()), ("revision", version.revision() or UNKNOWN)]


def changed_settings(settings: Settings) -> Rows:
    defaults = Settings()
    # Every user except root has these two, and they say nothing about a fault.
    changed = {name: value for name, value in settings if name not in ("stack_uid", "stack_gid")}
    return [
        (name.upper(), allowed.setting(name, value))
        for name, value in changed.items()
        if value != getattr(defaults, name) and not (name == "stack_tag" and value == settings.compose_project_name)
    ]


def base_image(client: docker.DockerClient | None, settings: Settings) -> str:
    if client is None:
        return UNKNOWN
    try:
        found = find_base_image(client, settings, "auto")
    except DockerException:
        return UNKNOWN
    if found is None:
        return "none yet"
    return found if found in [recipe.tag for recipe in RECIPES.values()] else allowed.setting("torchserve_image", found)


def image_rows(client: docker.DockerClient | None, settings: Settings) -> Rows:
    """Returns a row for each existing image, by its service, because a tag may be a name."""
    rows = []
    for service in IMAGES if client else ():
        try:
            image = client.images.get(settings.image_of(service)) if client else None
        except DockerException:
            continue
        if image:
            shown = allowed.labels(image.labels)
            said = ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in shown.items())
            rows.append((service, str(image.id).removeprefix("sha256:")[:12], said or "none"))
    return rows


def check_rows(client: docker.DockerClient | None, settings: Settings) -> Rows:
    try:
        checks = all_checks(client, Project(settings, settings.torchserve_image, write_secrets()))
    except (StackError, DockerException, OSError) as error:
        checks = [Check("all", "failed", f"{type(error).__name__}: {error}")]
    return [(allowed.said(check.name), check.verdict, allowed.said(check.found)) for check in checks]


def model_rows(client: docker.DockerClient | None, settings: Settings) -> Rows:
    """Returns a row with the state of every version of the manifest."""
    try:
        container = find_unwell(client, settings.compose_project_name) if client else None
        inside = inside_of(container)
        decision = decide_served(settings, inside.chosen if inside else ())
        pairs = zip(read_manifest(settings).models, decision.versions, strict=True)
    except (StackError, DockerException, OSError):
        return [("all", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)]
    return [
        (
            allowed.model(model.name),
            allowed.harmless(model.version),
            state_of(version, inside),
            allowed.one_of(model.engine, ENGINES),
            allowed.one_of(model.precision, PRECISIONS),
        )
        for model, version in pairs
    ]
