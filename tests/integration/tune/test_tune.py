"""`scripts/stack tune` on its smallest search: `up` serves what it writes, and the stack is as it was before."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.support.commands import COMMAND_LIMIT_S, run_command
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import write_brightness_model
from integration.support.polling import wait_until
from integration.support.stack import Deployment, docker_engine, get_json
from integration.support.users import PROJECT_ROOT

pytestmark = pytest.mark.slow

MODEL = "brightness"
LABEL = f"{MODEL} 1.0"
TUNE = [str(PROJECT_ROOT / "scripts/stack"), "tune", MODEL, "--budget", "0", "--seconds", "1", "--connections", "8"]


@pytest.fixture(scope="module")
def brightness(fresh_deployment: FreshDeployments, workspace: Path) -> Deployment:
    """A stack with the cheapest model: built, not started."""
    sources = workspace / "tune-src"
    write_brightness_model(sources, MODEL)
    stack = fresh_deployment(model_src=sources)
    stack.build_models()
    return stack


def stack_command(stack: Deployment, *arguments: str) -> str:
    """Runs scripts/stack on this stack; returns what it printed."""
    ended = run_command([str(PROJECT_ROOT / "scripts/stack"), *arguments], stack.environment())
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def tuned(stack: Deployment) -> Any:
    return json.loads((stack.model_store / "tuned.json").read_text())


def served(stack: Deployment) -> tuple[int, int, int]:
    """minWorkers, batchSize, maxBatchDelay, as TorchServe says."""
    model = get_json(f"{stack.management}/models/{MODEL}")[0]
    return model["minWorkers"], model["batchSize"], model["maxBatchDelay"]


def as_torchserve_says(settings: dict[str, Any]) -> tuple[int, int, int]:
    """TorchServe takes 1 ms for the least, and has a queue that does not wait: see docker/torchserve/java."""
    return settings["workers"], settings["batchSize"], settings["maxBatchDelay"] or 1


def leftovers(stack: Deployment) -> list[str]:
    """What is still there of the project in which settings were tried."""
    label = f"com.docker.compose.project={stack.project}-tune"
    containers = docker_engine.containers.list(all=True, filters={"label": label})
    networks = docker_engine.networks.list(filters={"label": label})
    return [str(found.attrs["Name"]) for found in (*containers, *networks)]


def test_the_choice_is_written_and_the_next_up_serves_it(brightness: Deployment, tmp_path: Path) -> None:
    ended = run_command([*TUNE, "--out", str(tmp_path)], brightness.environment())
    assert ended.returncode == 0, ended.stdout
    assert "the next `scripts/stack up` uses it" in ended.stdout
    assert leftovers(brightness) == []

    results = json.loads((tmp_path / MODEL / "results.json").read_text())
    assert (tmp_path / MODEL / "report.html").read_text().startswith("<!doctype html>")
    (chosen,) = [candidate for candidate in results["candidates"] if candidate["is_chosen"]]
    assert chosen["rate"] >= 0.95 * results["best_rate"] > 0
    assert [candidate["is_default"] for candidate in results["candidates"]].count(True) == 1
    assert len(results["candidates"]) > 1
    assert tuned(brightness)[LABEL]["settings"] == chosen["settings"]

    stack_command(brightness, "up")
    assert served(brightness) == as_torchserve_says(chosen["settings"])
    assert "(tuned for throughput)" in brightness.said()
    assert "tuned for throughput" in stack_command(brightness, "status")


def test_up_restarts_for_a_changed_choice_and_for_a_forgotten_one(brightness: Deployment) -> None:
    stack_command(brightness, "up")
    settings = {"workers": 1, "threads": 1, "batchSize": 4, "maxBatchDelay": 0}
    entry = {LABEL: {"goal": "p99=20", "settings": settings}}
    (brightness.model_store / "tuned.json").write_text(json.dumps(entry))
    stack_command(brightness, "up")
    assert served(brightness) == (1, 4, 1)
    assert "tuned for p99=20" in stack_command(brightness, "status")

    stack_command(brightness, "tune", MODEL, "--forget")
    assert tuned(brightness) == {}
    stack_command(brightness, "up")
    assert served(brightness)[1:] == (1, 1)
    assert served(brightness)[0] != 4
    assert "tuned" not in stack_command(brightness, "status")


def test_an_interrupted_search_starts_the_stack_again_and_leaves_nothing(brightness: Deployment) -> None:
    entry = {LABEL: {"goal": "throughput", "settings": {"workers": 1, "batchSize": 4, "maxBatchDelay": 2}}}
    (brightness.model_store / "tuned.json").write_text(json.dumps(entry))
    stack_command(brightness, "up")
    container, before = brightness.container().id, served(brightness)
    command = subprocess.Popen(
        TUNE,
        env=brightness.environment(),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # the terminal's Ctrl-C reaches the command and what it has started
    )
    try:
        wait_until("a setting is tried", lambda: leftovers(brightness), COMMAND_LIMIT_S)
        assert brightness.state()["Running"] is False, "expected the stack's server to be stopped meanwhile"
        subprocess.run(["kill", "-INT", "--", f"-{command.pid}"], check=True)
        printed, _ = command.communicate(timeout=COMMAND_LIMIT_S)
    finally:
        command.send_signal(signal.SIGTERM)
    assert command.returncode != 0, printed
    assert "again" in printed
    assert brightness.health() == "healthy", printed
    assert (brightness.container().id, served(brightness)) == (container, before)
    assert (before, tuned(brightness)) == ((1, 4, 2), entry)
    assert leftovers(brightness) == []
