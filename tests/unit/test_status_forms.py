"""`status` in all its forms shows what is known, names what is missing, and never hides an untrained model."""

import io
import json
import os
import pty
import re
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from typer.testing import CliRunner

from stackcli.cli import make_app
from stackcli.common import console
from stackcli.common.errors import EngineError
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings
from stackcli.status import commands
from stackcli.status.as_json import described_failure, described_stack
from stackcli.status.as_table import show_serving, weights_of, write_picture
from stackcli.status.metrics import Metrics
from stackcli.status.read import Serving
from stackcli.status.watch import watch
from stackcli.store.manifest import Model, Weights

HEALTHY = ("healthy", "routing to TorchServe")
AVAILABLE: dict[str, Any] = {"status": "available", "engine": "openvino", "precision": "f32"}
MNIST = Model(name="mnist", version="1.0", weights=Weights(origin="trained here by train.py (seed 0)"), **AVAILABLE)
RANDOM = Model(
    name="toy",
    version="1.0",
    trained=False,
    weights=Weights(origin="UNTRAINED: random values from seed 0"),
    **AVAILABLE,
)
MISSING = Model(name="densenet161", version="1.0", status="unavailable", reason="no weights", remedy="again")
METRICS = Metrics.model_validate(
    {
        "seconds": 10.0,
        "models": [
            {
                "name": "mnist",
                "version": "1.0",
                "share": 90.0,
                "rate": {"2xx": 1234.56, "4xx": 1.5, "5xx": 0.0},
                "p50_ms": 1.234,
                "p99_ms": 9.876,
                "in_flight": 7,
                "queue": 5,
                "queue_capacity": 100,
                "workers": {"ready": 2, "starting": 1, "failed": 0},
                "restarts": 3,
                "memory_bytes": 200 << 20,
                "engine": "eager",
                "precision": "f32",
                "weights": "trained here by train.py (seed 0)",
                "trained": True,
                "accuracy": None,
            }
        ],
        "torchserve": [
            {"instance": "a:8082", "memory_bytes": 1 << 30, "memory_limit_bytes": 4 << 30, "cpu_cores": 0.5},
            {"instance": "b:8082", "memory_bytes": None, "memory_limit_bytes": None, "cpu_cores": None},
        ],
    }
)
SERVING = Serving(HEALTHY, HEALTHY, [(MNIST, "READY"), (RANDOM, "READY"), (MISSING, "UNAVAILABLE")], metrics=METRICS)


def shown(serving: Serving, width: int = 200) -> str:
    to = Console(file=io.StringIO(), width=width, highlight=False)
    show_serving(serving, Settings(), to)
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_a_version_has_one_line_with_everything_where_there_is_room() -> None:
    words = line_of(shown(SERVING), "mnist").split()
    made = ["mnist", "1.0", "READY", "eager", "f32", "trained", "-"]
    at_work = ["90", "%", "1,236.1", "1.5", "0.0", "1.2", "9.9", "7", "5/100", "2/3", "(3", "restarts)", "200", "MiB"]
    assert words == [*made, *at_work]


@pytest.mark.parametrize("width", [170, 120, 100, 80, 60])
def test_however_narrow_it_is_nothing_is_cut(width: int) -> None:
    text = shown(SERVING, width)
    lines = [line for line in text.splitlines() if line.startswith(("model", "mnist", "toy"))]
    assert max(len(line.rstrip()) for line in lines) <= width
    words = " ".join(line for line in lines if line.startswith("mnist"))
    for cell in ("READY", "eager f32", "trained", "90 %", "1,236.1", "9.9", "5/100", "2/3 (3 restarts)", "200 MiB"):
        assert cell in words
    assert all(line.split()[1] in ("version", "1.0") for line in lines)


def test_where_it_is_narrow_what_it_is_stands_above_what_it_does() -> None:
    text = shown(SERVING, 120)
    made, at_work = (line.split()[2:] for line in text.splitlines() if line.startswith("model"))
    assert (made[0], at_work[0]) == ("state", "traffic")


def test_each_torchserve_is_told_and_the_one_that_says_nothing() -> None:
    text = shown(SERVING)
    assert "a:8082: memory 1,024 MiB of 4,096 MiB, 0.50 CPUs" in text
    assert "b:8082: no metrics" in text


def test_without_numbers_the_rest_is_shown_and_what_is_missing_is_told() -> None:
    text = shown(Serving(HEALTHY, ("not running", ""), SERVING.models, problems=("no traffic is shown: FAIL",)))
    assert line_of(text, "mnist").split() == ["mnist", "1.0", "READY", "openvino", "f32", "trained", "-"]
    assert "WARNING: no traffic is shown: FAIL" in text
    assert "edge: not running" in text
    assert "p99" not in text


def test_untrained_is_said_in_every_form(tmp_path: Path) -> None:
    warning = "toy 1.0 is UNTRAINED: its answers mean nothing"
    for width in (200, 110):
        text = shown(SERVING, width)
        assert "UNTRAINED" in line_of(text, "toy")
        assert warning in text
    content = described_stack(SERVING, Settings())
    assert [model["trained"] for model in content["models"]] == [True, False, None]
    assert warning in content["warnings"]
    write_picture(SERVING, Settings(), tmp_path / "status.svg")
    assert (tmp_path / "status.svg").read_text().count("UNTRAINED") >= 2


@pytest.mark.parametrize(
    ("origin", "word"),
    [
        ("trained by train.py (seed 0) in an earlier build, 2026-11-25", "trained"),
        ("downloaded from https://example.org/x.pth", "downloaded"),
        ("shipped by the package x==1", "shipped"),
        ("the file mine.pth", "file"),
        ("UNTRAINED: random values from seed 0", "UNTRAINED"),
        ("", "-"),
    ],
)
def test_one_word_says_where_weights_came_from(origin: str, word: str) -> None:
    assert weights_of(Model(name="m", version="1.0", weights=Weights(origin=origin), status="available")) == word


def test_a_picture_loads_nothing_from_anywhere(tmp_path: Path) -> None:
    write_picture(SERVING, Settings(), tmp_path / "status.svg")
    text = (tmp_path / "status.svg").read_text()
    assert not re.search(r"(href|src)=|@import", text)
    assert "url(http" not in text
    assert "@font-face" not in text
    assert "mnist" in text


def test_the_json_has_what_the_edge_counted() -> None:
    mnist, toy, missing = described_stack(SERVING, Settings())["models"]
    assert mnist["rate"] == {"2xx": 1234.56, "4xx": 1.5, "5xx": 0.0}
    assert (mnist["engine"], mnist["share"], mnist["workers"]["starting"]) == ("eager", 90.0, 1)
    assert (toy["engine"], toy["rate"], toy["memory_bytes"]) == ("openvino", None, None)
    assert (missing["state"], missing["reason"], missing["engine"]) == ("UNAVAILABLE", "no weights", None)
    assert mnist.keys() == toy.keys() == missing.keys()


def test_the_document_names_every_key_and_no_other() -> None:
    content = described_stack(SERVING, Settings())
    keys = {*content, *content["models"][0], *content["torchserve"][0]}
    text = (ROOT / "docs/reference/status-json.md").read_text()
    first_cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    assert {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)} == keys


def test_a_failure_has_the_same_keys() -> None:
    failure = described_failure(EngineError("a running Docker Engine", "none", "`scripts/stack up --yes`"))
    assert failure.keys() == described_stack(SERVING, Settings()).keys()
    assert (failure["healthy"], len(failure["warnings"])) == (False, 1)


def test_without_an_engine_stdout_is_json_too_and_the_exit_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        console.warn("something by the way")
        raise EngineError("a running Docker Engine", "none", "`scripts/stack up --yes`")

    monkeypatch.setattr(commands, "running_project", refuse)
    monkeypatch.setattr(console.out, "stderr", False)
    ended = CliRunner().invoke(make_app(), ["status", "--json"])
    assert ended.exit_code == 1
    assert json.loads(ended.stdout)["warnings"] == [
        "FAIL: expected a running Docker Engine, found none; try `scripts/stack up --yes`"
    ]
    assert "something by the way" in ended.stderr


@pytest.mark.parametrize("other", ["--json", "--watch"])
def test_a_picture_is_of_one_moment(other: str, tmp_path: Path) -> None:
    ended = CliRunner().invoke(make_app(), ["status", "--svg", str(tmp_path / "x.svg"), other])
    assert ended.exit_code == 1
    assert "expected --svg without --watch and --json" in str(ended.exception)


def test_away_from_a_terminal_each_look_is_printed_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stackcli.status.watch.EVERY_SECONDS", 0)
    looks: list[int] = []

    def read() -> tuple[Text, bool]:
        looks.append(1)
        if len(looks) > 3:
            raise KeyboardInterrupt
        return Text(f"look {len(looks)}"), True

    to = Console(file=io.StringIO())
    assert watch(read, to) is True
    assert isinstance(to.file, io.StringIO)
    assert to.file.getvalue() == "look 1\n\nlook 2\n\nlook 3\n\n"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A terminal instead of stdin and stdout: (the user's end, the program's end)."""
    person, program = pty.openpty()
    monkeypatch.setattr(sys, "stdin", os.fdopen(os.dup(program)))
    yield person, program
    sys.stdin.close()
    os.close(person)
    os.close(program)


@pytest.mark.parametrize("end", [b"q", b"Q", b"xq"])
def test_on_a_terminal_q_ends_it_and_leaves_the_terminal_as_it_was(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr("stackcli.status.watch.EVERY_SECONDS", 30)
    person, program = terminal
    before = termios.tcgetattr(program)
    seen: list[bytes] = []

    def press_and_look() -> None:
        while b"q to quit" not in b"".join(seen):
            seen.append(os.read(person, 4096))
        os.write(person, end)

    look = threading.Thread(target=press_and_look)
    with os.fdopen(os.dup(program), "w") as out:
        look.start()
        assert watch(lambda: (Text("a screen"), True), Console(file=out, force_terminal=True)) is True
    look.join()
    assert b"a screen" in b"".join(seen)
    assert termios.tcgetattr(program) == before


def test_on_a_terminal_ctrl_c_ends_it_as_well(terminal: tuple[int, int]) -> None:
    _, program = terminal
    before = termios.tcgetattr(program)

    def read() -> tuple[Text, bool]:
        raise KeyboardInterrupt

    with os.fdopen(os.dup(program), "w") as out:
        assert watch(read, Console(file=out, force_terminal=True)) is False
    assert termios.tcgetattr(program) == before
