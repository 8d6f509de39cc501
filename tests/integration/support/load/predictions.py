"""The load of the fault tests: predictions of mnist, past Docker's proxy, at one rate."""

from integration.support.load.constant import Outcome
from integration.support.stack import Deployment

RATE = 100  # requests per second


def predictions(stack: Deployment) -> str:
    return f"{stack.direct}/predictions/mnist"


def assert_all_answered(outcome: Outcome) -> None:
    assert outcome.count("answered") == outcome.sent > 0, outcome.details("refused", "lost", "wrong")
