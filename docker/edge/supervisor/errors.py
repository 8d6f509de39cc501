"""The one error of the edge."""

from contract.failure import Failure


class EdgeError(Failure):
    """The edge cannot work with what it was given; it says what was expected, what was found and what to do."""
