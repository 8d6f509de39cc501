"""Fixtures for building images; the suites of the four folders run inside those images, with the code they import."""

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
