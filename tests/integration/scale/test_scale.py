"""Several TorchServes on one machine, behind the edge: all of them answer, and they share the cores."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.support.fresh import FreshDeployments
from integration.support.polling import wait_until
from integration.support.stack import SERVING, Deployment, docker_engine, session
from integration.support.store import copy_models
from integration.support.users import PROJECT_ROOT

REPLICAS = 3
DEADLINE_S = 60


@pytest.fixture(scope="module")
def scaled_stack(workspace: Path, running_stack: Deployment) -> Iterator[Deployment]:
    """The user's mnist in three torchserve containers, whose edge logs every request."""
    deployments = FreshDeployments(workspace)
    overlay = PROJECT_ROOT / "compose.scale.yaml"
    stack = deployments(overlays=(overlay,), TORCHSERVE_REPLICAS=str(REPLICAS), ACCESS_LOG="all")
    try:
        copy_models(running_stack.model_store, stack.model_store, ["mnist"])
        stack.compose("up", "--detach", "--no-deps", "--no-build", f"--scale=torchserve={REPLICAS}", *SERVING)
        stack.wait_until_healthy()
        yield stack
    finally:
        deployments.remove_all()


def servers_that_answered(stack: Deployment) -> set[str]:
    """Of predictions."""
    lines = [json.loads(line) for line in stack.logs("edge").splitlines() if '"model": "mnist"' in line]
    return {line["server"] for line in lines if line["status"] == 200}


def test_every_replica_answers_behind_one_edge(scaled_stack: Deployment, seven: Path) -> None:
    def asked() -> bool:
        answer = session.post(f"{scaled_stack.edge}/predictions/mnist", data=seven.read_bytes(), timeout=DEADLINE_S)
        assert (answer.status_code, answer.text) == (200, "7")
        return len(servers_that_answered(scaled_stack)) == REPLICAS

    wait_until(f"{REPLICAS} have answered", asked, DEADLINE_S)


def test_replicas_share_the_cores(scaled_stack: Deployment) -> None:
    """Each has one worker of one thread at least."""
    cores = docker_engine.info()["NCPU"]
    shapes = []
    for container in scaled_stack.containers("torchserve"):
        shape = re.search(rb"serving mnist 1\.0: (\d+) workers? with (\d+) threads?", container.logs())
        assert shape, container.logs()
        shapes.append(int(shape[1]) * int(shape[2]))
    assert len(shapes) == REPLICAS
    assert sum(shapes) <= max(cores, REPLICAS)


def test_of_several_replicas_only_the_edge_is_published(scaled_stack: Deployment) -> None:
    for container in scaled_stack.containers("torchserve"):
        assert not any(container.ports.values()), container.ports
    assert any(scaled_stack.container("edge").ports.values())
