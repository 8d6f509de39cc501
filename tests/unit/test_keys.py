"""Keys are shown once, stored as hashes, and never half-written."""

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from contract.keys import Key
from stackcli.access.api_keys import PREFIX, add_key, keys_file, read_keys, remove_key
from stackcli.access.checks import check_api_keys
from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(edge_secrets=str(tmp_path / "edge"))


def test_a_new_key_is_recognisable_and_only_its_hash_is_stored(settings: Settings) -> None:
    key = add_key(settings, "shop", "predict")
    assert key.startswith(PREFIX)
    assert len(key) == len(PREFIX) + 43, "32 random bytes in URL-safe base64"
    assert read_keys(settings) == [Key("shop", "predict", sha256(key.encode()).hexdigest().upper())]
    assert key not in keys_file(settings).read_text()


def test_no_two_keys_are_alike(settings: Settings) -> None:
    assert add_key(settings, "a", "predict") != add_key(settings, "b", "admin")
    assert [(key.name, key.scope) for key in read_keys(settings)] == [("a", "predict"), ("b", "admin")]


def test_a_name_has_one_key(settings: Settings) -> None:
    add_key(settings, "shop", "predict")
    with pytest.raises(ConfigError, match="found shop; try another name, or `scripts/stack key remove shop` first"):
        add_key(settings, "shop", "admin")


@pytest.mark.parametrize("name", ["", "two words", "-x", "a" * 65, 'a"b', "a:b", "é"])
def test_a_name_that_would_not_fit_the_log_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigError, match="expected a name"):
        add_key(settings, name, "predict")


def test_a_removed_key_is_gone_and_the_others_stay(settings: Settings) -> None:
    for name in ("a", "b"):
        add_key(settings, name, "predict")
    remove_key(settings, "a")
    assert [key.name for key in read_keys(settings)] == ["b"]
    remove_key(settings, "b")
    assert read_keys(settings) == []
    assert keys_file(settings).is_file(), "the edge keeps the keys that it has where the file is gone"


def test_removing_a_key_that_does_not_exist_names_those_that_do(settings: Settings) -> None:
    add_key(settings, "shop", "predict")
    with pytest.raises(ConfigError, match="expected a key named stop, found shop"):
        remove_key(settings, "stop")


def test_a_damaged_file_is_not_overwritten_and_its_line_not_shown(settings: Settings) -> None:
    add_key(settings, "shop", "predict")
    with keys_file(settings).open("a") as file:
        file.write("tss_pasted-here-by-mistake\n")
    before = keys_file(settings).read_text()
    for change in (lambda: add_key(settings, "b", "predict"), lambda: remove_key(settings, "shop")):
        with pytest.raises(ConfigError, match="found something else in line 3; try removing that line"):
            change()
    assert keys_file(settings).read_text() == before


def test_the_edges_user_can_read_the_file_and_no_partial_one_stays(settings: Settings) -> None:
    add_key(settings, "shop", "predict")
    file = keys_file(settings)
    assert [path.name for path in file.parent.iterdir()] == ["keys"]
    status = file.stat()
    expected = (0o600, 1000) if os.geteuid() in (0, 1000) else (0o644, os.geteuid())
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == expected


def test_without_a_key_the_preflight_says_how_to_get_one(settings: Settings) -> None:
    assert check_api_keys(settings).verdict == "failed"
    add_key(settings, "shop", "predict")
    assert (check_api_keys(settings).verdict, check_api_keys(settings).found) == ("ok", "shop (predict)")
    remove_key(settings, "shop")
    assert (check_api_keys(settings).verdict, check_api_keys(settings).remedy) == (
        "failed",
        "`scripts/stack key add NAME`",
    )
