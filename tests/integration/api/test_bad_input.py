"""A bad item never affects its neighbours in a batch, whatever is wrong with it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integration.support.inputs.bad import bad_inputs
from integration.support.stack import Deployment


def test_an_unknown_model_is_answered_with_404(running_stack: Deployment, seven: Path) -> None:
    answer = running_stack.predict("nobody", seven.read_bytes())
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


def test_good_images_beside_every_kind_of_bad_one_are_answered_as_if_alone(
    workshop_stack: Deployment, seven: Path
) -> None:
    """Mnist 2.0 of the workshop waits for company: requests sent together are one batch, or a few."""
    model, picture, bad = "mnist/2.0", seven.read_bytes(), bad_inputs()
    with ThreadPoolExecutor(2 * len(bad)) as clients:
        refused = [clients.submit(each.send, workshop_stack, model) for each in bad]
        good = [clients.submit(workshop_stack.predict, model, picture) for _ in bad]
        answers = [(future.result().status_code, future.result().text) for future in good]
        statuses = {each.name: future.result().status_code for each, future in zip(bad, refused, strict=True)}
    assert answers == [(200, "seven")] * len(bad)
    assert statuses == {each.name: each.status for each in bad}
