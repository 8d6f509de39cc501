"""The one error of the runtime, in the form every part of the stack uses: expected, found, try."""


class ServingError(Exception):
    """The container cannot serve; its text says what was expected, what was found and what to do."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"FAIL: expected {expected}, found {found}; try {remedy}")
