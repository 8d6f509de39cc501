"""The images that are built here; the suites of the four folders run inside theirs, beside what they import there."""

import os

import pytest

from stackcli.common.paths import ROOT
from stackcli.machine.registries import write_secrets
from stackcli.project.compose import Project
from stackcli.project.settings import load_settings
from stackcli.testing.suites import SUITES

collect_ignore = [*SUITES]


@pytest.fixture(scope="session")
def project() -> Project:
    settings = load_settings(ROOT, os.environ)
    return Project(settings, settings.torchserve_image, write_secrets())
