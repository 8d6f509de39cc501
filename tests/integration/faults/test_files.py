"""With a damaged, full or changing disk, intact models stay served and the others are refused with the reason."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.load.constant import constant_load
from integration.support.load.predictions import RATE, assert_all_answered, predictions
from integration.support.models.folders import write_brightness_model
from integration.support.pages.faults import FaultTable, Scenario
from integration.support.stack import Deployment, docker_engine
from integration.support.store import entry_of
from integration.support.users import PROJECT_ROOT, image

LOAD_S = 2.0
# Too little for the next archive, enough for the manifest of the last.
FREE_BYTES = 24 << 10
TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": "size=16m,uid=1000,gid=1000"}
# In one container: a tmpfs volume is emptied when no container uses it.
FILL_AND_BUILD_AGAIN = """
import hashlib, os, pathlib, subprocess, sys

store = pathlib.Path("/model_store")


def build(*options):
    command = [sys.executable, "-m", "builder", *options]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return ended.returncode, ended.stdout.decode()


def content():
    files = [path for path in store.iterdir() if path.name in ("manifest.json", "day-1.0.mar")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


status, printed = build()
assert status == 0, printed
before = content()
assert len(before) == 2, before
free = os.statvfs(store)
(store / "other-file").write_bytes(b"x" * (free.f_bavail * free.f_frsize - FREE_BYTES))
status, printed = build("--force")
assert content() == before, "the store has changed"
assert sorted(path.name for path in store.iterdir() if path.name.startswith(".")) == [".lock"], "something is left"
print(printed)
print("exit status with a full disk:", status)
""".replace("FREE_BYTES", str(FREE_BYTES))
BROKEN_CONFIGS: dict[str, Callable[[str], str]] = {
    "a port that is no number": lambda text: text.replace("grpc_inference_port=7070", "grpc_inference_port=seventy"),
    "a port that does not exist": lambda text: text.replace("http://0.0.0.0:8080", "http://0.0.0.0:808080"),
    "an address that is none": lambda text: text.replace("http://0.0.0.0:8081", "nowhere"),
    "a size that is no number": lambda text: text.replace("max_request_size=16777216", "max_request_size=16 MB"),
    "an unknown Java option": lambda text: text.replace("vmargs=", "vmargs=-XX:+UseNoSuchCollector "),
}


@pytest.fixture
def served_archive(faults_stack: Deployment) -> Iterator[Path]:
    """Mnist's archive in the store; whole again afterwards."""
    archive = faults_stack.model_store / entry_of(faults_stack.model_store, "mnist")["archive"]
    backup = archive.with_suffix(".backup")
    shutil.copy2(archive, backup)
    yield archive
    backup.replace(archive)


def cut_off(archive: Path) -> None:
    with archive.open("r+b") as file:
        file.truncate(archive.stat().st_size // 2)


def overwrite(archive: Path) -> None:
    other = archive.with_suffix(".other")
    other.write_bytes(b"another archive")
    other.replace(archive)


@pytest.mark.parametrize(
    ("scenario", "change"), [(Scenario.ARCHIVE_CUT, cut_off), (Scenario.ARCHIVE_REPLACED, overwrite)]
)
def test_an_archive_that_changes_while_it_is_served_does_not_matter(
    faults_stack: Deployment,
    fault_table: FaultTable,
    seven: Path,
    served_archive: Path,
    scenario: Scenario,
    change: Callable[[Path], None],
) -> None:
    with constant_load(predictions(faults_stack), seven.read_bytes(), expected="7", rate=RATE) as load:
        load.keep_up(LOAD_S / 2)
        load.mark_fault()
        change(served_archive)
        load.keep_up(LOAD_S)
    fault_table.add(scenario, load.outcome, "it was unpacked at the start")
    assert_all_answered(load.outcome)


def test_a_full_disk_fails_the_build_with_the_reason_and_leaves_the_store_as_it_was(
    tmp_path: Path, fault_table: FaultTable
) -> None:
    write_brightness_model(tmp_path / "model_src", "day")
    volume = docker_engine.volumes.create(driver="local", driver_opts=TMPFS)
    try:
        mounts = [f"--volume={tmp_path / 'model_src'}:/model_src:ro", f"--volume={volume.name}:/model_store"]
        rules = ["--rm", "--network=none", "--user=1000:1000", "--tmpfs=/cache:mode=1777", "--env=HOME=/tmp"]
        command = ["--entrypoint=python", image("builder"), "-c", FILL_AND_BUILD_AGAIN]
        ended = run_command(["docker", "run", *rules, *mounts, *command], {})
    finally:
        volume.remove()
    note = "the builder says FAIL and why; archive and manifest are the old ones"
    fault_table.add(Scenario.DISK_FULL, None, note)
    assert ended.returncode == 0, ended.stdout
    assert "exit status with a full disk: 1" in ended.stdout, ended.stdout
    failures = [line for line in ended.stdout.splitlines() if "FAIL: expected" in line]
    assert any("No space left on device" in line and "; try " in line for line in failures), ended.stdout


@pytest.fixture(scope="module")
def broken_starts(
    fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, str]]:
    """Way of being broken → exit status and log of a start with that; all of them at once."""
    stack = fresh_deployment(model_store=fresh_store("mnist"))
    folder = tmp_path_factory.mktemp("broken")
    whole = (PROJECT_ROOT / "config.properties").read_text()
    files = {"a missing file": folder / "missing"}
    files["a missing file"].mkdir()  # what Docker makes where the file to mount is not there
    for number, (way, damage) in enumerate(BROKEN_CONFIGS.items()):
        assert damage(whole) != whole, f"{way}: config.properties has changed, and this damages nothing"
        files[way] = folder / f"{number}.properties"
        files[way].write_text(damage(whole))
    stack.compose("create", "--no-build", "torchserve")  # the network, which the runs below would all make at once

    def start(file: Path) -> tuple[int, str]:
        layers = (*stack.compose_files, PROJECT_ROOT / "tests/integration/support/compose.config.yaml")
        broken = replace(stack, compose_files=layers, variables={"TEST_CONFIG": str(file)})
        command = broken.compose_command("run", "--rm", "--no-TTY", "--no-deps", "torchserve")
        ended = run_command(command, broken.environment(), limit_s=60)
        return ended.returncode, ended.stdout

    with ThreadPoolExecutor(len(files)) as starts:
        return dict(zip(files, starts.map(start, files.values()), strict=True))


@pytest.mark.parametrize("way", ["a missing file", *BROKEN_CONFIGS])
def test_a_broken_config_ends_the_start_with_the_reason(
    broken_starts: dict[str, tuple[int, str]], fault_table: FaultTable, way: str
) -> None:
    status, log = broken_starts[way]
    note = f"{', '.join(broken_starts)}: each ends with a status other than 0 and the reason in the log"
    fault_table.add(Scenario.BROKEN_CONFIG, None, note)
    assert status != 0, log
    words = {
        "a missing file": "config.properties",
        "a port that is no number": "seventy",
        "a port that does not exist": "808080",
        "an address that is none": "nowhere",
        "a size that is no number": "16 MB",
        "an unknown Java option": "UseNoSuchCollector",
    }
    assert words[way] in log, f"the log does not name what is wrong:\n{log[-3000:]}"
    assert "FAIL: expected" in log, log[-3000:]
