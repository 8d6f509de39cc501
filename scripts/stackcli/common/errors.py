"""Everything the command line can fail with.

StackError
├── EngineError   the Docker Engine is missing, stopped or refused
├── BuildError    an image or a model could not be built
├── ServeError    the stack does not start, or does not answer
└── ConfigError   .env or an option has a value that cannot be used
"""

from __future__ import annotations

import re

# How the containers say it.
FAILURE = re.compile(r"(?:(?P<who>[^:]+): )?FAIL: expected (?P<expected>.+), found (?P<found>.+); try (?P<remedy>.+)")


class StackError(Exception):
    """A failure a person can act on: what was expected, what was found, what to try."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        self.expected, self.found, self.remedy = expected, found, remedy
        super().__init__(f"FAIL: expected {expected}, found {found}; try {remedy}")


class EngineError(StackError):
    """The Docker Engine is missing, stopped or refused."""


class BuildError(StackError):
    """An image or a model could not be built."""


class ServeError(StackError):
    """The stack does not start, or does not answer."""


class ConfigError(StackError):
    """.env or an option has a value that cannot be used."""
