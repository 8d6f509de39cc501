"""The edge's only error type."""

from contract.failure import Failure


class EdgeError(Failure):
    """The edge cannot work with what it was given; the error says what was expected, what was found and what to do."""
