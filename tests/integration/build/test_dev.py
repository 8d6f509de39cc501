"""With `scripts/stack dev` a saved line is live in the running stack, and no other model is restarted."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from integration.support.fresh import FreshDeployments
from integration.support.models.folders import BRIGHT_PICTURE, write_brightness_model
from integration.support.polling import wait_until
from integration.support.stack import Deployment, session
from integration.support.users import PROJECT_ROOT

DEADLINE_S = 60
PROBE = ["sh", "/opt/stack/runtime/healthcheck.sh"]


@dataclass
class Developing:
    """A checkout in which `scripts/stack dev` runs, its stack, its models, and what it has printed."""

    checkout: Path
    sources: Path
    stack: Deployment
    printed: list[str] = field(default_factory=list)

    def change(self, file: Path, old: str, new: str) -> None:
        """As an editor does it."""
        text = file.read_text()
        assert old in text, f"{file} does not say {old!r}"
        file.write_text(text.replace(old, new))

    def said(self) -> str:
        return "".join(self.printed)

    def pids(self, model: str) -> list[int]:
        return sorted(worker["pid"] for worker in self.stack.workers(model))

    def health(self) -> str:
        return self.stack.execute(*PROBE)


def copy_checkout(target: Path) -> Path:
    """The files of this checkout, as they are."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (PROJECT_ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_ROOT / name, target / name)
    # What its images were made from: they are here, and need not be built again.
    (target / ".stack").mkdir()
    shutil.copy(PROJECT_ROOT / ".stack/images.json", target / ".stack/images.json")
    return target


@pytest.fixture(scope="module")
def developing(
    workspace: Path, fresh_deployment: FreshDeployments, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Developing]:
    """Day and night are served, and the sources are watched."""
    sources = workspace / "dev-src"
    for name in ("day", "night"):
        write_brightness_model(sources, name)
    stack = fresh_deployment(model_src=sources)
    one = Developing(copy_checkout(tmp_path_factory.mktemp("checkout")), sources, stack)
    path = f"{one.checkout / 'scripts'}:{one.checkout / 'contract'}"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "stackcli", "dev"],
        cwd=one.checkout,
        env={**stack.environment(), "PYTHONPATH": path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    reader = threading.Thread(target=one.printed.extend, args=(process.stdout,), daemon=True)
    reader.start()

    def watches() -> bool:
        assert process.poll() is None, one.said()
        return "Watching" in one.said()

    try:
        wait_until("the sources are watched", watches, 300)
        yield one
    finally:
        process.terminate()
        process.wait(30)
        reader.join(10)
        process.stdout.close()
        print(one.said())


@pytest.fixture
def seconds(capsys: pytest.CaptureFixture[str]) -> Callable[[str, Callable[[], bool]], None]:
    """Waits for a change to be live, and prints how long it took from saving to seeing."""

    def wait(what: str, is_live: Callable[[], bool]) -> None:
        began = time.monotonic()
        wait_until(f"{what} is live", is_live, DEADLINE_S)
        with capsys.disabled():
            print(f"\n{what}: seen {time.monotonic() - began:.1f} s after it was saved")

    return wait


def test_a_line_of_a_handler(developing: Developing, seconds: Callable[..., None]) -> None:
    stack, others = developing.stack, developing.pids("night")
    archive = (stack.model_store / "day-1.0.mar").read_bytes()
    developing.change(developing.sources / "day/handler.py", '"bright"', '"light"')
    seconds("a line of a handler", lambda: stack.predict("day", BRIGHT_PICTURE).text == "light")
    assert developing.pids("night") == others
    assert (stack.model_store / "day-1.0.mar").read_bytes() == archive


def test_a_handler_that_does_not_load_leaves_the_one_before_and_says_why(developing: Developing) -> None:
    handler = developing.sources / "night/handler.py"
    text = handler.read_text()
    handler.write_text(text + "\nraise SystemError('not yet')\n")
    wait_until("it is refused", lambda: "night 1.0 is unchanged" in developing.said(), DEADLINE_S)
    assert developing.stack.predict("night", BRIGHT_PICTURE).text == "bright"
    handler.write_text(text)
    wait_until("it is live again", lambda: developing.said().count("live in night 1.0") == 1, DEADLINE_S)


def test_a_line_of_the_page(developing: Developing, seconds: Callable[..., None]) -> None:
    workers = [developing.pids(name) for name in ("day", "night")]
    page = developing.checkout / "docker/edge/page/style.css"
    page.write_text(page.read_text() + "\n/* changed */\n")
    address = f"{developing.stack.edge}/playground/style.css"
    seconds("a line of the page", lambda: "/* changed */" in session.get(address, timeout=10).text)
    assert [developing.pids(name) for name in ("day", "night")] == workers


def test_a_line_of_the_edges_python(developing: Developing, seconds: Callable[..., None]) -> None:
    workers = [developing.pids(name) for name in ("day", "night")]
    developing.change(developing.checkout / "docker/edge/supervisor/__main__.py", 'log(f"routing', 'log(f"now routing')
    seconds("a line of the edge", lambda: "now routing day" in developing.stack.said("edge"))
    developing.stack.wait_until_healthy()
    assert session.post(f"{developing.stack.edge}/predictions/day", data=BRIGHT_PICTURE, timeout=30).status_code == 200
    assert [developing.pids(name) for name in ("day", "night")] == workers


def test_a_line_of_the_runtimes_python(developing: Developing, seconds: Callable[..., None]) -> None:
    workers = [developing.pids(name) for name in ("day", "night")]
    started = developing.stack.state()["StartedAt"]
    file = developing.checkout / "docker/torchserve/runtime/health.py"
    developing.change(file, 'return True, "healthy: "', 'return True, "healthy: here are "')
    seconds("a line of the runtime", lambda: "here are day" in developing.health())
    assert [developing.pids(name) for name in ("day", "night")] == workers
    assert developing.stack.state()["StartedAt"] == started
    assert developing.stack.predict("night", BRIGHT_PICTURE).text == "bright"
