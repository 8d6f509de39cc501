"""The one error of the runtime."""

from contract.failure import Failure


class ServingError(Failure):
    """The container cannot serve; it says what was expected, what was found and what to do."""
