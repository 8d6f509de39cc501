"""Nothing calls home: containers only resolve the stack's own names and, during a build, those of the registries.

An address that a program knows without asking is not seen here. Requests are sent for CALLS_HOME_SECONDS, 30 s unless
it is set: onnxruntime 1.32 asks for its maker's host ten seconds after its import (findings/onnxruntime-telemetry.sh).
The names that each container asked for are printed; pytest shows them with -s.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.support.fresh import FreshDeployments
from integration.support.models.folders import BRIGHT_PICTURE, copy_mnist, write_brightness_model
from integration.support.observe.asked_names import AskedNames, mark_of, services
from integration.support.stack import Deployment, docker_engine, session
from integration.support.store import available_models, entry_of

SECONDS = float(os.environ.get("CALLS_HOME_SECONDS", "30"))
REQUESTS_PER_SECOND = 5
# Grafana's image is not built here and may not be at hand; the builder and the load generator run to their end.
JOBS = ("builder", "load")
LASTING = tuple(name for name, service in services().items() if "build" in service and name not in JOBS)
BRIGHTNESS = ("by_openvino", "by_onnxruntime", "derived")


@pytest.fixture(scope="module")
def inputs(running_stack: Deployment) -> dict[str, Any]:
    """A package of npm and one of PyPI, as model.yaml names them: those of the user's own models."""
    mnist, efficientnet = (
        yaml.safe_load((running_stack.model_src / name / "model.yaml").read_text())
        for name in ("mnist", "efficientnet_lite0")
    )
    return {"data": mnist["data"], "packages": efficientnet["packages"][:1]}


@pytest.fixture(scope="module")
def sources(workspace: Path, running_stack: Deployment, inputs: dict[str, Any]) -> Path:
    """A model per engine, one on TorchServe's base classes, and mnist."""
    folder = workspace / "calls-home-src"
    write_brightness_model(folder, "by_openvino", engine={"cpu": "openvino"}, **inputs)
    write_brightness_model(folder, "by_onnxruntime", engine={"cpu": "onnxruntime"})
    write_brightness_model(folder, "derived", "derived_handler.py", engine={"cpu": "eager"})
    archive = running_stack.model_store / entry_of(running_stack.model_store, "mnist", "1.0")["archive"]
    copy_mnist(running_stack.model_src, archive, folder, "mnist")
    return folder


@pytest.fixture(scope="module")
def stack(fresh_deployment: FreshDeployments, sources: Path) -> Deployment:
    """Nothing of it runs yet, and its builder's cache is empty."""
    cache = f"torchserve-stack-test-cache-{uuid.uuid4().hex[:8]}"
    made = fresh_deployment(model_src=sources, TEST_CACHE_VOLUME=cache)
    # Removed with the deployment, by this label.
    docker_engine.volumes.create(cache, labels={"com.docker.compose.project": made.project})
    made.compose("build", "load", "prometheus")  # the others' images are here, or nothing would run
    return made


@pytest.fixture(scope="module")
def asked(stack: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedNames]:
    """What the stack's containers ask for, in every test; printed at the end."""
    names = AskedNames(stack, tmp_path_factory.mktemp("names"))
    yield names
    for who, name in sorted(set(names.until_now())):
        print(f"{who} asked for {name}")


@pytest.fixture(scope="module")
def registries(stack: Deployment, asked: AskedNames, inputs: dict[str, Any]) -> set[str]:
    """The names that pip and npm ask for to fetch the same packages, as this machine configures them."""
    pip = f"pip download --quiet --no-deps --only-binary :all: --dest /tmp/wheels {inputs['packages'][0]['package']}"
    npm = f"npm pack --loglevel=error --pack-destination /tmp {inputs['data']['npm']}"
    run_job(stack, "builder", f"{pip} && {npm}")
    names = {name for _, name in asked.until_now()}
    assert mark_of("builder") in names, f"expected the builder's questions to be recorded, found {names}"
    return names


@pytest.fixture(scope="module")
def built(stack: Deployment, asked: AskedNames, registries: set[str]) -> set[str]:
    """The names that were asked for while all models were built."""
    before = len(asked.until_now())
    stack.build_models()
    assert {entry["name"] for entry in available_models(stack.model_store)} == {*BRIGHTNESS, "mnist"}
    return {name for _, name in asked.until_now()[before:]}


def run_job(stack: Deployment, service: str, script: str, *options: str) -> str:
    """What a shell script prints in a container of the service, which asks for the service's mark first."""
    script = f"getent hosts {mark_of(service)}; {script}"
    return stack.compose("run", "--rm", "--no-TTY", "--no-deps", *options, "--entrypoint", "sh", service, "-c", script)


def strangers(names: Iterable[str]) -> set[str]:
    """Those that are neither services of the stack nor marks."""
    return set(names) - set(services()) - {mark_of(service) for service in services()}


def test_a_build_asks_for_the_registries_of_its_packages_alone(built: set[str], registries: set[str]) -> None:
    assert strangers(built) <= registries


def test_what_serves_and_observes_asks_for_the_stacks_own_names_alone(
    stack: Deployment, asked: AskedNames, built: set[str], seven: Path
) -> None:
    before = len(asked.until_now())
    stack.start(*LASTING)
    stack.wait_until_healthy()
    for model in BRIGHTNESS:
        assert predicted(stack, model, BRIGHT_PICTURE) == "bright"
    requests = f"--url=http://edge:8000/predictions/mnist --body=/seven.png --rate={REQUESTS_PER_SECOND}"
    load = f"python -m load run {requests} --seconds={SECONDS} --warmup=0"
    lines = run_job(stack, "load", load, f"--volume={seven}:/seven.png:ro").splitlines()
    (figures,) = [json.loads(line) for line in lines if line.startswith("{")]
    assert list(figures["statuses"]) == ["200"], figures
    for service in LASTING:
        asked.are_recorded_from(service)
    questions = asked.until_now()[before:]
    assert mark_of("load") in {name for _, name in questions}, f"expected load's questions, found {questions}"
    unwanted = {(who, name) for who, name in questions if strangers([name])}
    assert not unwanted, f"expected nothing but the stack's own names, found {sorted(unwanted)}"


def predicted(stack: Deployment, model: str, picture: bytes) -> str:
    """The answer's text, through the edge."""
    answer = session.post(f"{stack.edge}/predictions/{model}", data=picture, timeout=60)
    assert answer.status_code == 200, f"{model}: {answer.status_code} {answer.text[:500]}"
    return answer.text.strip()
