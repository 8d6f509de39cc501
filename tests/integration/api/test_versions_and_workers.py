"""Two versions of a model side by side, and workers scaled while serving, through the management API."""

from pathlib import Path

import requests

from integration.support.polling import wait_until
from integration.support.stack import Deployment, get_json, session


def manage(stack: Deployment, path: str) -> requests.Response:
    answer = session.put(f"{stack.management}/models/{path}", timeout=120)
    assert answer.status_code in (200, 202), f"PUT /models/{path}: {answer.status_code} {answer.text[:500]}"
    return answer


def test_both_versions_of_mnist_answer_at_their_own_address(workshop_stack: Deployment, seven: Path) -> None:
    listed = {model["modelVersion"] for model in get_json(f"{workshop_stack.management}/models/mnist/all")}
    assert listed == {"1.0", "2.0"}
    assert workshop_stack.predict("mnist/1.0", seven.read_bytes()).text == "7"
    assert workshop_stack.predict("mnist/2.0", seven.read_bytes()).text == "seven"


def test_the_newest_version_is_the_default_until_another_is_set(workshop_stack: Deployment, seven: Path) -> None:
    assert workshop_stack.predict("mnist", seven.read_bytes()).text == "seven"
    manage(workshop_stack, "mnist/1.0/set-default")
    assert workshop_stack.predict("mnist", seven.read_bytes()).text == "7"
    manage(workshop_stack, "mnist/2.0/set-default")
    assert workshop_stack.predict("mnist", seven.read_bytes()).text == "seven"


def test_workers_are_scaled_up_and_down_by_put(workshop_stack: Deployment, seven: Path) -> None:
    before = len(workshop_stack.workers("mnist", "1.0"))
    assert before >= 1
    scale_mnist(workshop_stack, before + 1)
    assert workshop_stack.predict("mnist/1.0", seven.read_bytes()).text == "7"
    scale_mnist(workshop_stack, before)
    assert workshop_stack.predict("mnist/1.0", seven.read_bytes()).text == "7"


def test_a_synchronous_request_for_one_worker_of_three_is_obeyed_when_it_is_answered(
    workshop_stack: Deployment, seven: Path
) -> None:
    before = len(workshop_stack.workers("mnist", "1.0"))
    manage(workshop_stack, "mnist/1.0?min_worker=3&synchronous=true")
    assert [worker["status"] for worker in workshop_stack.workers("mnist", "1.0")] == ["READY"] * 3
    answer = manage(workshop_stack, "mnist/1.0?min_worker=1&max_worker=1&synchronous=true")
    assert answer.status_code == 200, answer.text
    assert [worker["status"] for worker in workshop_stack.workers("mnist", "1.0")] == ["READY"]
    assert workshop_stack.predict("mnist/1.0", seven.read_bytes()).text == "7"
    scale_mnist(workshop_stack, before)


def scale_mnist(stack: Deployment, workers: int) -> None:
    manage(stack, f"mnist/1.0?min_worker={workers}&max_worker={workers}")
    wait_until(
        f"mnist 1.0 has {workers} READY workers",
        lambda: [worker["status"] for worker in stack.workers("mnist", "1.0")] == ["READY"] * workers,
        60,
    )
