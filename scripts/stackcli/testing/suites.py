"""Runs the suites of tests/containers, each in the `test` stage of the image it tests, without a running stack."""

from __future__ import annotations

from dataclasses import replace

from stackcli.build.base_image import ensure_base_image, ensure_edge_base
from stackcli.build.options import Options, chosen_settings
from stackcli.common.paths import ROOT
from stackcli.machine.engine import connect
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project

TESTS = ROOT / "tests" / "containers"
# Folder of tests/containers → the service of compose.yaml whose image runs it.
SUITES = {"builder": "builder", "runtime": "torchserve", "edge": "edge", "load": "load"}


def prepare_bases(options: Options, suites: tuple[str, ...] = tuple(SUITES)) -> Project:
    """Finds, pulls or builds the suites' base images; returns the project with them. Raises StackError."""
    client = connect()
    settings, secrets = chosen_settings(options), write_secrets()
    project = Project(settings, settings.torchserve_image, secrets)
    services = project.config()["services"]
    bases = {name for suite in suites for name in services[SUITES[suite]]["build"]["args"]}
    if "DEBIAN_IMAGE" in bases:
        debian = ensure_edge_base(client, settings, options.yes)
        project = replace(project, settings=settings.model_copy(update={"debian_image": debian}))
    if "BASE_IMAGE" in bases:
        base_image = ensure_base_image(client, settings, secrets, options.base, options.yes)
        project = replace(project, base_image=base_image)
    client.close()
    return project


def build_command(project: Project, service: str, tag: str, *options: str) -> list[str]:
    """Returns the `docker build` command of a service's image, as compose.yaml defines it, with more options."""
    build = project.config()["services"][service]["build"]
    contexts, secrets = build.get("additional_contexts", {}), [secret["source"] for secret in build.get("secrets", [])]
    command = ["docker", "build", "--quiet", "--tag", tag, *options]
    command += [f"--build-arg={name}={value}" for name, value in build["args"].items()]
    command += [f"--build-context={name}={folder}" for name, folder in contexts.items()]
    command += [f"--secret=id={name},src={getattr(project.secrets, name)}" for name in secrets]
    return [*command, build["context"]]


def suite_commands(project: Project, suite: str, *arguments: str) -> tuple[list[str], list[str]]:
    """Returns the commands that build the image and run the suite in it; `arguments` go to pytest."""
    tag = project.settings.image_of(f"{SUITES[suite]}-test")
    mounts = {TESTS: "/tests", (ROOT / project.settings.model_src).resolve(): "/model_src"}
    options = [f"--volume={folder}:{target}:ro" for folder, target in mounts.items()]
    options += ["--network=none", "--read-only", "--tmpfs=/tmp:mode=1777", "--env=HOME=/tmp", "--workdir=/tmp"]
    # The suites share the table of store states next to their folders, but none reads another's conftest.py.
    words = ["-p", "no:cacheprovider", "-c", "/tests/inside.ini", f"--confcutdir=/tests/{suite}", *arguments]
    run = ["docker", "run", "--rm", *options, tag, *words]
    return build_command(project, SUITES[suite], tag, "--target=test"), run
