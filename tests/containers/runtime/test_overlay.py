"""A version is served with some of its files changed, while its archive stays the same."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toy_store import Publish, asking, labelled, post

from contract.failure import read_failure
from runtime import health, overlay, release

pytestmark = pytest.mark.usefixtures("container")


@pytest.fixture
def deployed(publish_toy: Publish) -> Iterator[None]:
    """Toy 2.0 is served alongside 1.0."""
    publish_toy("2.0", settings={"jobQueueSize": 100})
    release.deploy("toy", "2.0")
    yield
    release.undeploy("toy", "2.0")


@pytest.fixture
def overlay_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command with files, by name; returns its exit status and what it prints."""

    def run(files: "dict[str, str]") -> "tuple[int, str]":
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        packed.seek(0)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=packed))
        status = overlay.main(["toy", "2.0"])
        return status, capsys.readouterr().out

    return run


def test_a_changed_handler_is_served_until_the_archive_is_deployed_again(
    served: Path, deployed: None, overlay_files: Any
) -> None:
    with asking("toy/2.0") as clients:
        for label in ("one", "three"):
            assert overlay_files({"handler.py": labelled(label)}) == (
                0,
                '{"done": "overlaid", "files": ["handler.py"]}\n',
            )
            assert post("toy/2.0") == (200, label)
            assert health.check() == (True, "healthy: toy 1.0 (1 worker), toy 2.0 (1 worker)")
        assert release.deploy("toy", "2.0")["done"] == "swapped"
        assert post("toy/2.0") == (200, "two")
    assert {one.status for answers in clients for one in answers} == {200}
    assert len([*(served / "unpacked").iterdir()]) == 2


@pytest.mark.parametrize("name", ["other.py", "../toy-1.0.mar/handler.py", "/etc/hostname"])
def test_a_file_that_the_archive_does_not_have_is_refused(
    served: Path, deployed: None, overlay_files: Any, name: str
) -> None:
    status, printed = overlay_files({"handler.py": labelled("new"), name: ""})
    assert status == 1
    assert str(read_failure(printed)).startswith("expected only files that toy-2.0.mar+dev has, found ")
    assert name in printed
    assert post("toy/2.0") == (200, "two")
    assert sorted(path.name for path in (served / "unpacked").iterdir()) == ["toy-1.0.mar", "toy-2.0.mar"]


def test_a_handler_that_does_not_load_leaves_the_served_one(served: Path, deployed: None, overlay_files: Any) -> None:
    with asking("toy/2.0") as clients:
        status, printed = overlay_files({"handler.py": "raise SystemError"})
    assert status == 1
    assert "found a worker that cannot load it; try " in str(read_failure(printed))
    assert {(one.status, one.text) for answers in clients for one in answers} == {(200, "two")}
    assert health.check()[0]
    assert sorted(path.name for path in (served / "unpacked").iterdir()) == ["toy-1.0.mar", "toy-2.0.mar"]
