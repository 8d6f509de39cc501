"""The one failure of the command line: a load that cannot be run as asked."""

from __future__ import annotations

from contract.failure import Failure


class LoadError(Failure):
    """What was expected, what was found, what to try."""
