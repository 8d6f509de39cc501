"""API keys are read line by line, and an invalid line is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.failure import Failure
from contract.keys import Key, keys_text, read_keys

PREDICT_SHA256, ADMIN_SHA256 = "A1" * 32, "B2" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a comment and two keys."""
    path = tmp_path / "keys"
    path.write_text(f"# a comment\nclient predict {PREDICT_SHA256.lower()}\nboss admin {ADMIN_SHA256}\n")
    return path


def test_each_line_is_a_key_and_comments_are_none(file: Path) -> None:
    assert read_keys(file) == [Key("client", "predict", PREDICT_SHA256), Key("boss", "admin", ADMIN_SHA256)]


def test_keys_are_read_as_they_were_written(file: Path) -> None:
    keys = read_keys(file)
    file.write_text(keys_text(keys))
    assert read_keys(file) == keys


@pytest.mark.parametrize("content", ["", "\n", "# all of them were removed\n"])
def test_a_file_whose_last_key_was_removed_has_none(file: Path, content: str) -> None:
    file.write_text(content)
    assert read_keys(file) == []


@pytest.mark.parametrize(
    "line",
    [
        "tss_the-key-itself",
        f"client predict {PREDICT_SHA256[:-1]}",
        f"client root {PREDICT_SHA256}",
        f"client predict {PREDICT_SHA256} more",
        f'cli"ent predict {PREDICT_SHA256}',
        f"a:b predict {PREDICT_SHA256}",
    ],
)
def test_a_line_that_is_no_key_is_named_by_its_number_alone(file: Path, line: str) -> None:
    with file.open("a") as lines:
        lines.write(line + "\n")
    with pytest.raises(Failure, match="found something else in line 4") as refused:
        read_keys(file)
    assert line.split()[0] not in str(refused.value)


def test_what_is_not_ascii_is_a_failure_and_no_traceback(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Failure, match="expected a file of API keys"):
        read_keys(file)
