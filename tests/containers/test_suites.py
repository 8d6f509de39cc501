"""The tests that run inside the images, beside the code they test; what pytest says in there is the failure's text."""

import os
from pathlib import Path

import pytest

from containers.commands import run
from stackcli.common.paths import ROOT
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings


@pytest.fixture(scope="session")
def project() -> Project:
    settings = load_settings(ROOT, os.environ)
    return Project(settings, settings.torchserve_image, write_secrets())


@pytest.mark.parametrize(
    ("context", "tests"),
    [
        ("docker/builder", "builder"),
        ("docker/torchserve", "runtime"),
        ("docker/edge", "edge"),
        ("benchmarks/load", "load"),
    ],
)
def test_the_suite_inside_the_image_passes(project: Project, context: str, tests: str) -> None:
    tag = f"torchserve-stack/{Path(context).name}-test:{project.settings.stack_tag}"
    secrets = [f"--secret=id={name},src={file}" for name, file in vars(project.secrets).items()]
    build = ["docker", "build", "--quiet", "--target", "test", "--tag", tag, *secrets]
    bases = {"BASE_IMAGE": project.base_image, "DEBIAN_IMAGE": project.settings.debian_image}
    name = "DEBIAN_IMAGE" if tests == "edge" else "BASE_IMAGE"
    run([*build, "--build-arg", f"{name}={bases[name]}", str(ROOT / context)])
    folders = {ROOT / "tests/containers" / tests: "/tests", Path(ROOT / project.settings.model_src): "/model_src"}
    mounts = [f"--volume={folder}:{target}:ro" for folder, target in folders.items()]
    hardened = ["--network=none", "--read-only", "--tmpfs=/tmp:mode=1777", "--env=HOME=/tmp", "--workdir=/tmp"]
    run(["docker", "run", "--rm", *hardened, *mounts, tag, "/tests", "-q", "-p", "no:cacheprovider"])
