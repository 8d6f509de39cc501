"""An image is rebuilt if, and only if, its inputs have changed."""

from pathlib import Path

import pytest

from stackcli.build.base_image import RECIPES, recipe_hash, shorten
from stackcli.build.images import deciding
from stackcli.common.files import hash_inputs
from stackcli.project.settings import Settings


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "pkg" / "a.py").write_text("a = 1\n")
    return tmp_path


def test_the_same_files_and_base_hash_the_same(context: Path) -> None:
    assert hash_inputs(context, base="sha256:1") == hash_inputs(context, base="sha256:1")


def test_another_base_image_changes_the_hash(context: Path) -> None:
    assert hash_inputs(context, base="sha256:1") != hash_inputs(context, base="sha256:2")


def test_content_name_and_executable_bit_change_the_hash(context: Path) -> None:
    seen = {hash_inputs(context)}
    (context / "pkg" / "a.py").write_text("a = 2\n")
    seen.add(hash_inputs(context))
    (context / "pkg" / "a.py").rename(context / "pkg" / "b.py")
    seen.add(hash_inputs(context))
    (context / "pkg" / "b.py").chmod(0o755)
    seen.add(hash_inputs(context))
    assert len(seen) == 4


def test_times_and_caches_do_not_change_the_hash(context: Path) -> None:
    before = hash_inputs(context)
    (context / "Dockerfile").touch()
    (context / "pkg" / "__pycache__").mkdir()
    (context / "pkg" / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert hash_inputs(context) == before


def test_where_the_checkout_lies_does_not_change_the_hash() -> None:
    assert deciding({"context": "/here", "args": {"A": "1"}}) == deciding({"context": "/there", "args": {"A": "1"}})


def test_a_new_commit_alone_builds_no_image_and_a_new_version_does() -> None:
    """`up` replaces the containers of each image that was built."""

    def build(revision: str, version: str) -> dict[str, object]:
        return deciding({"context": "/here", "args": {"STACK_REVISION": revision, "STACK_VERSION": version}})

    assert build("2", "0.1.0") == build("1", "0.1.0")
    assert build("1", "0.2.0") != build("1", "0.1.0")


def test_another_wheel_index_is_another_base_image() -> None:
    recipe = RECIPES["auto"]
    other = Settings(torch_index_url="https://wheels.example/cpu")
    assert recipe_hash(Settings(), recipe) != recipe_hash(other, recipe)


def test_a_build_step_reads_in_one_line() -> None:
    step = "#7 [stage-0 3/7] RUN --mount=type=secret,id=pip_conf     pip install     torch"
    assert shorten(step) == "[stage-0 3/7] RUN pip install torch"
