"""The command line's only error type."""

from __future__ import annotations

from contract.failure import Failure


class LoadError(Failure):
    """The load cannot be run as requested; the error says what was expected, what was found and what to try."""
