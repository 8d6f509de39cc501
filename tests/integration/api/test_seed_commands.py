"""The seeds' curl commands, verbatim, against the user's running stack."""

import json
import os
import shlex
import subprocess
from pathlib import Path

from integration.support.stack import Deployment
from integration.support.store import available_models, read_manifest


def curl(command: str, folder: Path, stack: Deployment) -> str:
    """Run the command as it is printed in the seeds; only a port that the user configured otherwise is replaced."""
    command = command.replace(":8080", f":{stack.ports.inference}").replace(":8081", f":{stack.ports.management}")
    ended = subprocess.run(
        [*shlex.split(command), "--silent", "--show-error"],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "localhost", "no_proxy": "localhost"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, f"{command}: exit {ended.returncode}\n{ended.stderr}"
    return ended.stdout


def test_ping_answers_healthy(running_stack: Deployment, tmp_path: Path) -> None:
    assert json.loads(curl("curl http://localhost:8080/ping", tmp_path, running_stack)) == {"status": "Healthy"}


def test_a_picture_of_a_seven_is_answered_with_the_bare_digit(running_stack: Deployment, seven: Path) -> None:
    answer = curl("curl http://localhost:8080/predictions/mnist -T 7.png", seven.parent, running_stack)
    assert answer == "7"


def test_the_management_address_lists_every_available_model(running_stack: Deployment, tmp_path: Path) -> None:
    answer = json.loads(curl("curl http://localhost:8081/models", tmp_path, running_stack))
    listed = {model["modelName"] for model in answer["models"]}
    assert {"mnist", "efficientnet_lite0"} <= listed
    assert listed == {entry["name"] for entry in available_models(running_stack.model_store)}


def test_densenet161_answers_five_labels_or_is_reported_with_its_remedy(
    running_stack: Deployment, photos: dict[Path, int], tmp_path: Path
) -> None:
    """Its weights may be out of reach; then the manifest says why and what to do, and nothing pretends to serve it.

    That five labels come over HTTP is proved in any case by test_untrained.py.
    """
    (tmp_path / "photo.jpg").write_bytes(next(iter(photos)).read_bytes())
    entry = next(entry for entry in read_manifest(running_stack.model_store) if entry["name"] == "densenet161")
    answer = json.loads(
        curl("curl http://localhost:8080/predictions/densenet161 -T photo.jpg", tmp_path, running_stack)
    )
    if entry["status"] == "available":
        assert len(answer) == 5
        assert all(isinstance(label, str) and 0 <= probability <= 1 for label, probability in answer.items())
    else:
        assert answer["code"] == 404, f"densenet161 is unavailable, yet it answered {answer}"
        assert entry["reason"], f"unavailable without a reason: {entry}"
        assert entry["remedy"], f"unavailable without a remedy: {entry}"
