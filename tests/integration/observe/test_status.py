"""`scripts/stack status` of real stacks shows the traffic's metrics, and says what is missing."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from integration.support.closed import ClosedStack
from integration.support.load.without_a_pause import asked_constantly
from integration.support.polling import wait_until
from integration.support.stack import Deployment, session
from integration.support.users import PROJECT_ROOT

NUMBERS = "/playground/metrics.json"
DEADLINE_S = 60


def status(stack: Deployment, *options: str) -> subprocess.CompletedProcess[str]:
    """Apart: what it prints on stdout, and what on stderr."""
    files = ":".join(str(file) for file in stack.compose_files)
    return subprocess.run(
        [str(PROJECT_ROOT / "scripts/stack"), "status", *options],
        env={**stack.environment(), "COMPOSE_FILE": files},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def version_of(content: dict[str, Any], name: str = "mnist", version: str = "1.0") -> dict[str, Any]:
    found = [model for model in content["models"] if (model["name"], model["version"]) == (name, version)]
    assert found, content
    return dict(found[0])


@pytest.fixture(scope="module")
def with_traffic(running_stack: Deployment, seven: Path) -> tuple[dict[str, Any], str]:
    """What --json said, and the table, while a client asked mnist; each tenth time it sends what is no picture."""
    picture = seven.read_bytes()

    def predict(client: requests.Session, number: int) -> None:
        url = f"{running_stack.edge}/predictions/mnist/1.0"
        client.post(url, data=picture if number % 10 else b"no picture", timeout=30)

    with asked_constantly(predict):
        wait_until("the edge counts", lambda: counted(running_stack) > 0, DEADLINE_S)
        as_json, table = status(running_stack, "--json"), status(running_stack)
    assert as_json.returncode == table.returncode == 0, as_json.stderr + table.stdout
    return json.loads(as_json.stdout), table.stdout


def counted(stack: Deployment) -> float:
    """Good answers of mnist 1.0 per second, as the edge says them to the page."""
    content = session.get(f"{stack.edge}{NUMBERS}", timeout=30).json()
    rates = version_of(content)["rate"]
    return float(rates["2xx"]) if rates else 0.0


def test_the_numbers_are_those_of_the_traffic(with_traffic: tuple[dict[str, Any], str]) -> None:
    content, _ = with_traffic
    mnist = version_of(content)
    assert mnist["state"] == "READY"
    good, refused = mnist["rate"]["2xx"], mnist["rate"]["4xx"]
    assert good > 0
    # One of ten is no picture.
    assert refused == pytest.approx(good / 9, rel=0.5)
    assert mnist["rate"]["5xx"] == 0
    assert 0 < mnist["p50_ms"] <= mnist["p99_ms"]
    assert mnist["workers"]["ready"] >= 1
    assert mnist["memory_bytes"] > 10_000_000
    assert mnist["queue_capacity"] > 0
    (server,) = content["torchserve"]
    assert 0 < server["memory_bytes"] < server["memory_limit_bytes"]
    assert server["cpu_cores"] > 0


def test_it_says_what_the_page_says(running_stack: Deployment) -> None:
    content = json.loads(status(running_stack, "--json").stdout)
    page = session.get(f"{running_stack.edge}{NUMBERS}", timeout=30).json()
    for model in page["models"]:
        shown = version_of(content, model["name"], model["version"])
        for key in ("share", "queue_capacity", "workers", "engine", "precision", "trained", "accuracy"):
            assert shown[key] == model[key], key


def test_the_table_shows_the_same(with_traffic: tuple[dict[str, Any], str]) -> None:
    _, table = with_traffic
    assert "torchserve: healthy" in table
    titles = next(line for line in table.splitlines() if line.startswith("model "))
    for title in ("traffic", "req/s", "4xx/s", "5xx/s", "p50 ms", "p99 ms", "in flight", "queue", "workers", "memory"):
        assert title in titles
    assert any(line.split()[:3] == ["mnist", "1.0", "READY"] for line in table.splitlines())


def test_watched_for_machines_it_is_one_object_per_line(running_stack: Deployment) -> None:
    files = {"COMPOSE_FILE": ":".join(str(file) for file in running_stack.compose_files)}
    command = [str(PROJECT_ROOT / "scripts/stack"), "status", "--watch", "--json"]
    environment = {**running_stack.environment(), **files}
    with subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        lines = [watching.stdout.readline() for _ in range(2)]
        watching.terminate()
    assert [json.loads(line)["healthy"] for line in lines] == [True, True]


def test_of_the_closed_stack_it_knows_the_numbers_without_port_and_key(closed_stack: ClosedStack) -> None:
    ended = status(closed_stack.stack, "--json")
    assert ended.returncode == 0, ended.stderr
    mnist = version_of(json.loads(ended.stdout))
    assert (mnist["share"], mnist["workers"]["ready"] >= 1) == (100.0, True)
    assert mnist["rate"] is not None


def test_without_an_edge_it_shows_the_rest_and_says_what_is_missing(workshop_stack: Deployment) -> None:
    ended = status(workshop_stack, "--json")
    assert ended.returncode == 1, "the edge does not run"
    content = json.loads(ended.stdout)
    assert (content["healthy"], content["services"]["edge"]["health"]) == (False, "not running")
    mnist = version_of(content)
    assert (mnist["state"], mnist["engine"], mnist["rate"]) == ("READY", "openvino", None)
    assert any("expected metrics from the edge, found no running edge" in text for text in content["warnings"])
    table = status(workshop_stack)
    assert table.returncode == 1
    assert "READY" in table.stdout
    assert "WARNING: traffic, latencies and memory are not shown" in table.stdout
