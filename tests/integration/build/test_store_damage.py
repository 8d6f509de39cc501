"""In a damaged store, broken archives are named and not served; everything else is served."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.support.fresh import FreshDeployments
from integration.support.polling import wait_until
from integration.support.stack import Deployment, get_json
from integration.support.store import entry_of

HALF_COPIED = "mnist-0.9.mar"


@pytest.fixture(scope="module")
def damaged_stack(fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path]) -> Deployment:
    """Mnist is whole; efficientnet_lite0's archive has one byte flipped, mnist 0.9's is half copied; junk lies by."""
    store = fresh_store("mnist", "efficientnet_lite0")
    add_half_copied_version(store)
    archive = store / entry_of(store, "efficientnet_lite0")["archive"]
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    (store / "junk.mar").write_text("not an archive\n")
    (store / "holiday-photos").mkdir()
    (store / "holiday-photos/beach.txt").write_text("not a model\n")
    stack = fresh_deployment(model_store=store)
    stack.start()
    wait_until("mnist answers in spite of the damage", lambda: stack.workers("mnist")[0]["status"] == "READY", 120)
    return stack


def add_half_copied_version(store: Path) -> None:
    """Mnist 0.9: the manifest describes the whole of an archive of which half has arrived."""
    manifest = json.loads((store / "manifest.json").read_text())
    whole = entry_of(store, "mnist")
    content = (store / whole["archive"]).read_bytes()
    manifest["models"].append({**whole, "version": "0.9", "archive": HALF_COPIED})
    (store / HALF_COPIED).write_bytes(content[: len(content) // 2])
    (store / "manifest.json").write_text(json.dumps(manifest))


def test_the_undamaged_model_serves(damaged_stack: Deployment, seven: Path) -> None:
    answer = damaged_stack.predict("mnist", seven.read_bytes())
    assert (answer.status_code, answer.text) == (200, "7")


def test_only_the_undamaged_model_is_registered(damaged_stack: Deployment) -> None:
    models = get_json(f"{damaged_stack.management}/models")["models"]
    assert [model["modelName"] for model in models] == ["mnist"]
    assert [model["modelVersion"] for model in get_json(f"{damaged_stack.management}/models/mnist/all")] == ["1.0"]


@pytest.mark.parametrize("damage", ["efficientnet_lite0", "mnist 0.9", "junk.mar", "holiday-photos"])
def test_the_log_names_what_is_not_served(damaged_stack: Deployment, damage: str) -> None:
    lines = [line for line in damaged_stack.said().splitlines() if line.startswith("entrypoint: ") and damage in line]
    assert any("not served" in line or "ignored" in line for line in lines), f"no line says it is left out: {lines}"


def test_health_is_unhealthy_and_names_the_corrupt_model(damaged_stack: Deployment) -> None:
    """Docker itself says "starting" until the start period is over; what counts is that its probe fails."""
    probe = damaged_stack.container().attrs["Config"]["Healthcheck"]["Test"]
    assert probe[0] == "CMD", probe
    ended = damaged_stack.container().exec_run(probe[1:])
    assert ended.exit_code == 1, ended.output
    assert isinstance(ended.output, bytes)
    assert re.search(rb"^unhealthy: .*efficientnet_lite0", ended.output), ended.output
    assert damaged_stack.health() != "healthy"


def test_the_damage_costs_no_restart(damaged_stack: Deployment) -> None:
    assert damaged_stack.container().attrs["RestartCount"] == 0
    assert damaged_stack.state()["Running"]
