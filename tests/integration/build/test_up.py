"""`scripts/stack up` applies changes to a running stack, and costs no other model's requests anything."""

import json
import shutil
from pathlib import Path

import pytest

from integration.support.closed import identity, stack_command
from integration.support.fresh import FreshDeployments
from integration.support.load.constant import constant_load
from integration.support.load.edge import edge_predictions
from integration.support.models.folders import BRIGHT_PICTURE, write_brightness_model, write_day_and_night
from integration.support.stack import Deployment, get_json, session

RATE = 10


@pytest.fixture(scope="module")
def sources(workspace: Path) -> Path:
    return write_day_and_night(workspace / "up-src")


@pytest.fixture(scope="module")
def stack(fresh_deployment: FreshDeployments, sources: Path) -> Deployment:
    stack = fresh_deployment(model_src=sources)
    up(stack)
    return stack


def up(stack: Deployment) -> str:
    ended = stack_command(stack, "up")
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def pids(stack: Deployment, model: str) -> list[int]:
    return sorted(worker["pid"] for worker in stack.workers(model))


def answer_with(folder: Path, word: str) -> None:
    """The model says another word for a bright picture, also in its samples."""
    handler = folder / "handler.py"
    expected = json.loads((folder / "samples/expected.json").read_text())
    handler.write_text(handler.read_text().replace(expected["bright.png"], word))
    (folder / "samples/expected.json").write_text(json.dumps({**expected, "bright.png": word}))


def test_a_changed_model_is_swapped_while_a_client_of_another_loses_nothing(
    stack: Deployment, sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    container, workers, before = identity(stack), pids(stack, "night"), pids(stack, "day")
    answer_with(sources / "day", "light")
    with constant_load(edge_predictions(stack, "night"), BRIGHT_PICTURE, expected="bright", rate=RATE) as load:
        load.keep_up(1)
        printed = up(stack)
        load.keep_up(1)
    outcome = load.outcome
    with capsys.disabled():
        print(
            f"\nup after one model's change: {outcome.sent} requests to another, {outcome.count('answered')} answered"
        )
    assert outcome.count("answered") == outcome.sent > 0, outcome.details("refused", "lost", "wrong")
    assert "day 1.0 swapped" in printed
    assert stack.predict("day", BRIGHT_PICTURE).text == "light"
    assert session.post(f"{stack.edge}/predictions/day", data=BRIGHT_PICTURE, timeout=30).text == "light"
    assert (identity(stack), pids(stack, "night")) == (container, workers)
    assert not set(before) & set(pids(stack, "day"))
    assert stack.health() == "healthy"


def test_the_changed_models_own_clients_are_answered_meanwhile_too(stack: Deployment, sources: Path) -> None:
    """Either by the old code or by the new."""
    answer_with(sources / "night", "pale")
    with constant_load(edge_predictions(stack, "night"), BRIGHT_PICTURE, expected="bright", rate=RATE) as load:
        up(stack)
    outcome = load.outcome
    assert outcome.count("refused") == outcome.count("lost") == 0, outcome.details("refused", "lost")
    assert set(outcome.details("wrong")) <= {"wrong: 200 pale"}


def test_with_nothing_changed_nothing_is_touched(stack: Deployment) -> None:
    container, workers = identity(stack), [pids(stack, name) for name in ("day", "night")]
    up(stack)
    assert (identity(stack), [pids(stack, name) for name in ("day", "night")]) == (container, workers)


def test_a_model_that_is_new_or_gone_leaves_the_others_alone(stack: Deployment, sources: Path) -> None:
    container, workers = identity(stack), pids(stack, "day")
    shutil.rmtree(sources / "night")
    write_brightness_model(sources, "dusk")
    up(stack)
    names = sorted(model["modelName"] for model in get_json(f"{stack.management}/models")["models"])
    assert names == ["day", "dusk"]
    assert stack.predict("dusk", BRIGHT_PICTURE).text == "bright"
    assert (identity(stack), pids(stack, "day")) == (container, workers)
    stack.wait_until_healthy()


def test_an_archive_of_the_same_version_that_was_built_again_is_swapped_by_a_deployment(
    stack: Deployment, sources: Path
) -> None:
    answer_with(sources / "day", "sunny")
    stack.build_models("day")
    ended = stack_command(stack, "release", "deploy", "day", "1.0")
    assert ended.returncode == 0, ended.stdout
    assert "its new archive is READY" in ended.stdout
    assert stack.predict("day", BRIGHT_PICTURE).text == "sunny"
