"""`scripts/stack dev` applies a changed file to the part that it affects, and reports it."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from stackcli.common.errors import ServeError
from stackcli.dev import changes
from stackcli.dev.watch import Watched, changed, times_of, watch

MODEL = "name: {name}\nversion: '1.0'\n"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Two models and the handlers' common code."""
    for name in ("mnist", "other"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.yaml").write_text(MODEL.format(name=name))
        (folder / "handler.py").write_text("old")
    (tmp_path / "common").mkdir()
    (tmp_path / "common/decoding.py").write_text("old")
    return tmp_path


@pytest.fixture
def overlaid(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The models whose workers were replaced, each with the files that it got."""
    done: list[tuple[str, list[str]]] = []

    def overlay(server: Any, name: str, version: str, files: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(files)) as archive:
            done.append((f"{name} {version}", archive.getnames()))

    monkeypatch.setattr(changes, "overlay", overlay)
    return done


def one_server() -> changes.Stack:
    stack = cast(Any, changes.Stack(cast(Any, None), cast(Any, None)))
    object.__setattr__(stack, "containers", lambda service: [service])
    return cast(changes.Stack, stack)


def test_a_changed_handler_concerns_its_model_alone(sources: Path, overlaid: list[Any]) -> None:
    changes.serve_changed(one_server(), sources, [sources / "mnist/handler.py"])
    assert overlaid == [("mnist 1.0", ["handler.py"])]


def test_changed_common_code_concerns_every_model(sources: Path, overlaid: list[Any]) -> None:
    changes.serve_changed(one_server(), sources, [sources / "common/decoding.py"])
    assert overlaid == [("mnist 1.0", ["common/decoding.py"]), ("other 1.0", ["common/decoding.py"])]


def test_a_model_yaml_that_is_being_written_is_waited_for(sources: Path, overlaid: list[Any]) -> None:
    (sources / "mnist/model.yaml").write_text("name: [")
    changes.serve_changed(one_server(), sources, [sources / "mnist/handler.py"])
    assert overlaid == []


def test_what_cannot_be_served_is_said_and_watching_goes_on(
    sources: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> None:
        raise ServeError("a handler that loads", "SyntaxError", "correcting it")

    monkeypatch.setattr(changes, "overlay", refuse)
    changes.serve_changed(one_server(), sources, [sources / "mnist/handler.py"])
    said = capsys.readouterr().out.replace("\n", " ")
    assert "handler.py: mnist 1.0 is unchanged" in said
    assert "found SyntaxError" in said


def test_a_file_is_changed_when_it_is_new_gone_or_written_again(tmp_path: Path) -> None:
    kept, gone, written = (tmp_path / name for name in ("kept", "gone", "written"))
    before = {kept: 1, gone: 1, written: 1}
    assert changed(before, {kept: 1, written: 2, tmp_path / "new": 3}) == [gone, tmp_path / "new", written]


def test_an_editors_own_files_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("handler.py", ".handler.py.swp", "handler.py~"):
        (tmp_path / name).touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/handler.pyc").touch()
    assert list(times_of([tmp_path])) == [tmp_path / "handler.py"]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Callable[[], list[list[Path]]]]:
    """Watches a folder in the background, and waits for the next changes."""
    seen: list[list[Path]] = []
    began, arrived, over = threading.Event(), threading.Event(), threading.Event()

    def take(files: list[Path]) -> None:
        seen.append(files)
        arrived.set()

    def is_over() -> bool:
        began.set()
        return over.is_set()

    watcher = threading.Thread(target=watch, args=([Watched((tmp_path,), take)], is_over))
    watcher.start()
    assert began.wait(10)

    def wait() -> list[list[Path]]:
        assert arrived.wait(10), "nothing was seen"
        arrived.clear()
        return seen

    yield wait
    over.set()
    watcher.join()


def test_each_change_is_seen_once(tmp_path: Path, watching: Callable[[], list[list[Path]]]) -> None:
    (tmp_path / "a").touch()
    assert watching() == [[tmp_path / "a"]]
    (tmp_path / "b").touch()
    assert watching() == [[tmp_path / "a"], [tmp_path / "b"]]
