"""Every image says which release and commit it is from, and under which licence, and none is built again for that."""

from pathlib import Path

import pytest
import yaml

from stackcli.build.images import REVISION
from stackcli.common.paths import ROOT

LABELS = """\
ARG STACK_VERSION
ARG STACK_REVISION
LABEL org.opencontainers.image.version="${STACK_VERSION}" \\
      org.opencontainers.image.revision="${STACK_REVISION}" \\
      org.opencontainers.image.licenses="Apache-2.0"
"""
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
BUILT = {name: service["build"] for name, service in SERVICES.items() if "build" in service}


@pytest.mark.parametrize("service", BUILT)
def test_the_labels_end_the_dockerfile_so_that_no_layer_depends_on_them(service: str) -> None:
    text = (ROOT / BUILT[service]["context"] / "Dockerfile").read_text()
    assert text.endswith(LABELS)
    assert text.count("STACK_") == LABELS.count("STACK_")


@pytest.mark.parametrize("service", BUILT)
def test_compose_hands_version_and_revision_to_every_build(service: str) -> None:
    assert BUILT[service]["args"].keys() >= {"STACK_VERSION", REVISION}


@pytest.mark.parametrize("service", BUILT)
def test_every_image_has_a_title_and_a_description_and_claims_no_address(service: str) -> None:
    text = (ROOT / BUILT[service]["context"] / "Dockerfile").read_text()
    for label in ("title", "description"):
        assert f"org.opencontainers.image.{label}=" in text
    for label in ("source", "url", "documentation"):
        assert f"org.opencontainers.image.{label}=" not in text


def test_the_licence_is_there_in_full() -> None:
    text = Path(ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
