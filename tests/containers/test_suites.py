"""Runs the suites inside the images, with the code they test; pytest's output becomes the failure's message."""

import pytest

from containers.commands import run
from stackcli.project.compose import Project
from stackcli.testing.suites import SUITES, suite_commands


@pytest.mark.parametrize("suite", SUITES)
def test_the_suite_inside_the_image_passes(project: Project, suite: str) -> None:
    for command in suite_commands(project, suite, f"/tests/{suite}", "-q"):
        run(command)
