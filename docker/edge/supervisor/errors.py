"""The one error of the edge, in the form every part of the stack uses: expected, found, try."""


class EdgeError(Exception):
    """The edge cannot work with what it was given; its text says what was expected, what was found and what to do."""

    def __init__(self, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"FAIL: expected {expected}, found {found}; try {remedy}")
