"""Keys are read line by line, and a line that is none is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ADMIN_SHA256, PREDICT_SHA256
from supervisor.errors import EdgeError
from supervisor.keys import Key, read_keys


def test_each_line_is_a_key_and_comments_are_none(secrets: Path) -> None:
    assert read_keys(secrets) == [
        Key("client", "predict", PREDICT_SHA256.upper()),
        Key("boss", "admin", ADMIN_SHA256.upper()),
    ]


def test_without_the_file_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"expected a file of API keys, .*try `scripts/stack key add NAME`"):
        read_keys(tmp_path)


@pytest.mark.parametrize("content", ["", "\n", "# all of them were removed\n"])
def test_a_file_whose_last_key_was_removed_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    assert read_keys(tmp_path) == []


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
def test_a_line_that_is_no_key_is_named_by_its_number_alone(secrets: Path, line: str) -> None:
    with (secrets / "keys").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(EdgeError, match="found something else in line 4") as refused:
        read_keys(secrets)
    assert line.split()[0] not in str(refused.value)


def test_what_is_not_ascii_is_an_error_and_no_traceback(secrets: Path) -> None:
    (secrets / "keys").write_bytes(b"\xff\xfe")
    with pytest.raises(EdgeError, match="expected a file of API keys"):
        read_keys(secrets)
