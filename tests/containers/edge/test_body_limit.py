"""The edge accepts bodies of the same size as TorchServe, because it reads the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from supervisor.body_limit import read_body_limit
from supervisor.errors import EdgeError
from supervisor.render import CONFIG, render
from supervisor.settings import Settings


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a config.properties."""

    def write(text: str) -> Path:
        path = tmp_path / "config.properties"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("max_request_size=1000\n", 1000),
        ("# max_request_size=1\n max_request_size = 2000 \nmax_response_size=3\n", 2000),
        ("max_request_size=1000\nmax_request_size=2000\n", 2000),
        ("job_queue_size=100\n", 6_553_500),
    ],
    ids=["named", "among others", "the last of two", "TorchServe's own where the file names none"],
)
def test_the_limit_is_that_of_the_file(config: Callable[[str], Path], text: str, limit: int) -> None:
    assert read_body_limit(config(text)) == limit


@pytest.mark.parametrize("value", ["16 MB", "-1", "0", ""])
def test_a_value_that_is_no_number_of_bytes_is_named(config: Callable[[str], Path], value: str) -> None:
    with pytest.raises(EdgeError, match=f"expected max_request_size .* found '{value}'; try max_request_size=16777216"):
        read_body_limit(config(f"max_request_size={value}\n"))


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"config\.properties.*try `git checkout config\.properties`"):
        read_body_limit(tmp_path / "config.properties")


def test_haproxy_refuses_what_is_larger(settings: Callable[..., Settings]) -> None:
    made = settings()
    made.config.write_text("max_request_size=1234567\n")
    text = render(made).files[CONFIG]
    assert "int(413) if !is_refused { req.hdr(content-length) -m int gt 1234567 }" in text
    assert "at most 1234567 bytes" in text
