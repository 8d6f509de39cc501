"""A failure crosses from one process to another as data."""

import pytest

from contract.failure import Failure, failure_line, read_failure

FAILURE = Failure("a digit; try hard", "none, found nothing", "`scripts/stack doctor`", "mnist 1.0")


def test_what_is_written_is_read_again() -> None:
    read = read_failure(f"some line\n{failure_line(FAILURE)}\n")
    assert read is not None
    assert read.as_data() == FAILURE.as_data()


@pytest.mark.parametrize("text", ["", "FAIL: expected a, found b; try c", "{}", '{"failure": {}}', "[]", "3"])
def test_anything_else_is_no_failure(text: str) -> None:
    assert read_failure(text) is None
