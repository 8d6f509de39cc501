"""What is no image is the client's mistake: 400 with a reason, never 5xx; neighbours in the batch do not notice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployment import Deployment

PNG_HEADER = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(params=["garbage", "empty", "truncated", "text", "header only"])
def bad_image(request: pytest.FixtureRequest, seven: Path) -> bytes:
    picture = seven.read_bytes()
    bodies = {
        "garbage": bytes(range(256)) * 8,
        "empty": b"",
        "truncated": picture[: len(picture) // 2],
        "text": b"a seven, please",
        "header only": PNG_HEADER,
    }
    return bodies[request.param]


@pytest.mark.parametrize("model", ["mnist", "efficientnet_lite0"])
def test_a_bad_image_is_answered_with_400_and_a_reason(running_stack: Deployment, model: str, bad_image: bytes) -> None:
    answer = running_stack.predict(model, bad_image)
    assert answer.status_code == 400, f"{answer.status_code}: {answer.text[:500]}"
    body = answer.json()
    assert body["code"] == 400
    assert body["type"].startswith("BadRequest")
    assert body["message"]


def test_an_unknown_model_is_answered_with_404(running_stack: Deployment, seven: Path) -> None:
    answer = running_stack.predict("nobody", seven.read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


def test_good_images_in_the_same_batch_are_answered_as_if_alone(workshop_stack: Deployment, seven: Path) -> None:
    """Mnist 2.0 of the workshop waits for company: requests sent together are one batch."""
    bodies = [seven.read_bytes(), b"a seven, please"] * 8
    with ThreadPoolExecutor(len(bodies)) as clients:
        answers = list(clients.map(lambda body: workshop_stack.predict("mnist/2.0", body), bodies))
    assert [(answer.status_code, answer.text) for answer in answers[::2]] == [(200, "seven")] * 8
    assert [answer.status_code for answer in answers[1::2]] == [400] * 8
