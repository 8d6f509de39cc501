"""After TorchServe restarts in its container, it serves the archive that a version was swapped to."""

from pathlib import Path

import pytest
from front_end import wait_until
from toy import launched, serving
from toy_store import Publish, labelled, post

from runtime import health, release


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder of a server that the test starts and stops."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("container")
def test_a_restart_in_place_serves_the_new_archive(served: Path, publish_toy: Publish) -> None:
    with serving(served):
        publish_toy("2.0")
        release.deploy("toy", "2.0")
        publish_toy("2.0", labelled("new"), expected="new")
        release.deploy("toy", "2.0")
    with launched(served):
        wait_until(lambda: health.check()[0], "both versions to be READY")
        assert post("toy/2.0") == (200, "new")
