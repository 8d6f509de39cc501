"""The runtime's only error type."""

from contract.failure import Failure


class ServingError(Failure):
    """The container cannot serve; the error says what was expected, what was found and what to do."""
