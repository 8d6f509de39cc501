"""The exceptions that the command line can fail with.

StackError
├── EngineError   the Docker Engine is missing, stopped or not accessible
├── BuildError    an image or a model could not be built
├── ServeError    the stack does not start or does not answer
└── ConfigError   .env or an option has an unusable value
"""

from __future__ import annotations

from contract.failure import Failure


class StackError(Failure):
    """A failure of a command: what was expected, what was found, what to try.

    `str` gives one sentence, for logs and JSON; console.py prints three lines.
    """


class EngineError(StackError):
    """The Docker Engine is missing, stopped or not accessible."""


class BuildError(StackError):
    """An image or a model could not be built."""


class ServeError(StackError):
    """The stack does not start or does not answer."""


class ConfigError(StackError):
    """.env or an option has an unusable value."""
