"""The builder does no work twice, is reproducible to the byte, and never leaves a broken store behind."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from integration.support.commands import COMMAND_LIMIT_S, run_command
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import BRIGHT_PICTURE, write_brightness_model, write_day_and_night
from integration.support.stack import Deployment, docker_engine
from integration.support.store import available_models, broken_entries, entry_of, fingerprint, read_manifest
from integration.support.users import PROJECT_ROOT

FORMATS = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}
KILL_MOMENTS = 4


@pytest.fixture(scope="module")
def sources(workspace: Path) -> Path:
    """A model_src with two cheap models, `day` and `night`."""
    return write_day_and_night(workspace / "day-and-night")


@pytest.fixture(scope="module")
def shared_store(fresh_deployment: FreshDeployments, sources: Path) -> Deployment:
    return fresh_deployment(model_src=sources)


@pytest.fixture
def day_and_night(shared_store: Deployment, sources: Path) -> Deployment:
    """Both models are there and built, whatever the test before did."""
    if not (sources / "night").exists():
        write_brightness_model(sources, "night")
    if not is_whole(shared_store):
        shared_store.build_models()
    assert [entry["name"] for entry in available_models(shared_store.model_store)] == ["day", "night"]
    assert broken_entries(shared_store.model_store) == []
    return shared_store


def is_whole(stack: Deployment) -> bool:
    """Both models are there, as they were built; else the builder, which takes seconds to say so, is asked."""
    store = stack.model_store
    return (store / "manifest.json").exists() and len(available_models(store)) == 2 and not broken_entries(store)


def test_a_second_up_with_nothing_changed_builds_nothing(
    running_stack: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    archives, container = fingerprint(running_stack.model_store), running_stack.container().id
    started_at = running_stack.state()["StartedAt"]

    started = time.monotonic()
    ended = run_command([str(PROJECT_ROOT / "scripts/stack"), "up"], running_stack.environment())
    seconds = time.monotonic() - started

    assert ended.returncode == 0, ended.stdout
    with capsys.disabled():
        print(f"\na second up with nothing changed took {seconds:.1f} s")
    assert fingerprint(running_stack.model_store) == archives
    assert (running_stack.container().id, running_stack.state()["StartedAt"]) == (container, started_at)
    assert ": built" not in ended.stdout
    assert "mnist 1.0: unchanged" in ended.stdout


def test_touching_one_model_rebuilds_that_one_alone(day_and_night: Deployment, sources: Path) -> None:
    before = fingerprint(day_and_night.model_store)
    with (sources / "night/handler.py").open("a") as handler:
        handler.write("\n# touched\n")
    lines = day_and_night.build_models().splitlines()
    after = fingerprint(day_and_night.model_store)
    assert after["day-1.0.mar"] == before["day-1.0.mar"]
    assert after["night-1.0.mar"][1] != before["night-1.0.mar"][1]
    assert {"day 1.0: unchanged", "night 1.0: built"} <= set(lines)


def test_a_removed_folder_takes_its_entry_and_its_archive_along(day_and_night: Deployment, sources: Path) -> None:
    shutil.rmtree(sources / "night")
    day_and_night.build_models()
    assert [entry["name"] for entry in read_manifest(day_and_night.model_store)] == ["day"]
    assert not (day_and_night.model_store / "night-1.0.mar").exists()


def test_two_builds_of_the_same_input_are_identical_byte_for_byte(
    fresh_deployment: FreshDeployments, running_stack: Deployment, day_and_night: Deployment, sources: Path
) -> None:
    """A model with published weights against the user's store, and one retrained here against the shared one."""
    published = fresh_deployment(model_src=running_stack.model_src)
    published.build_models("efficientnet_lite0")
    trained = fresh_deployment(model_src=sources)
    trained.build_models("day", "--force")
    for name, first, second in (
        ("efficientnet_lite0", running_stack.model_store, published.model_store),
        ("day", day_and_night.model_store, trained.model_store),
    ):
        assert broken_entries(second) == []
        before, after = entry_of(first, name), entry_of(second, name)
        assert after["source_sha256"] == before["source_sha256"], f"{name} was built from another input: up again"
        assert after["sha256"] == before["sha256"], name


def test_two_builders_at_once_share_the_work_and_leave_a_whole_store(
    fresh_deployment: FreshDeployments, sources: Path, day_and_night: Deployment
) -> None:
    fresh = fresh_deployment(model_src=sources)
    builders = [start_builder(fresh) for _ in range(2)]
    outputs = [builder.communicate(timeout=COMMAND_LIMIT_S)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], "\n---\n".join(outputs)
    assert [entry["name"] for entry in available_models(fresh.model_store)] == ["day", "night"]
    assert broken_entries(fresh.model_store) == []
    built = [line for output in outputs for line in output.splitlines() if line.endswith(": built")]
    assert sorted(built) == ["day 1.0: built", "night 1.0: built"], "\n---\n".join(outputs)


def test_a_builder_killed_at_any_moment_leaves_the_store_as_it_was(day_and_night: Deployment) -> None:
    """A forced build is killed after its first printed line, and at later and later ones."""
    served = [(entry["name"], entry["version"]) for entry in available_models(day_and_night.model_store)]
    lines = len(start_builder(day_and_night, "--force").communicate(timeout=COMMAND_LIMIT_S)[0].splitlines())
    assert lines >= KILL_MOMENTS, f"a build printed only {lines} lines"
    for moment in range(1, lines, max(1, lines // KILL_MOMENTS)):
        kill_builder_after(day_and_night, moment)
        assert broken_entries(day_and_night.model_store) == [], f"killed after line {moment} of {lines}"
        assert [(entry["name"], entry["version"]) for entry in available_models(day_and_night.model_store)] == served
    day_and_night.build_models()
    assert broken_entries(day_and_night.model_store) == []
    staging = day_and_night.model_store / ".staging"
    assert not staging.exists() or not list(staging.iterdir()), f"left behind: {list(staging.iterdir())}"


@pytest.fixture(scope="module")
def stack_of_formats(fresh_deployment: FreshDeployments, workspace: Path) -> Deployment:
    """One cheap model in each of the archiver's formats, in one store."""
    folder = workspace / "formats"
    for archive_format in FORMATS:
        write_brightness_model(folder, model_of(archive_format))
    stack = fresh_deployment(model_src=folder)
    for archive_format in FORMATS:
        stack.build_models(model_of(archive_format), variables={"ARCHIVE_FORMAT": archive_format})
    stack.start()
    stack.wait_until_healthy()
    return stack


@pytest.mark.parametrize("archive_format", FORMATS)
def test_every_archive_format_is_built_and_served(stack_of_formats: Deployment, archive_format: str) -> None:
    name = model_of(archive_format)
    entry = entry_of(stack_of_formats.model_store, name)
    assert (entry["format"], entry["archive"]) == (archive_format, f"{name}-1.0{FORMATS[archive_format]}")
    assert broken_entries(stack_of_formats.model_store) == []
    answer = stack_of_formats.predict(name, BRIGHT_PICTURE)
    assert (answer.status_code, answer.text) == (200, "bright")


def model_of(archive_format: str) -> str:
    return "brightness_" + archive_format.replace("-", "_")


def start_builder(day_and_night: Deployment, *arguments: str) -> "subprocess.Popen[str]":
    """A builder in the background; only what it prints itself can be read."""
    return subprocess.Popen(
        day_and_night.builder_command(*arguments),
        env=day_and_night.environment(),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # compose's own progress
        text=True,
    )


def kill_builder_after(day_and_night: Deployment, lines: int) -> None:
    """Kill a forced build's container as soon as it has printed this many lines."""
    builder = start_builder(day_and_night, "--force")
    assert builder.stdout is not None
    printed = [builder.stdout.readline() for _ in range(lines)]
    assert all(printed), f"the builder ended by itself: {printed}"
    labels = [f"com.docker.compose.project={day_and_night.project}", "com.docker.compose.oneoff=True"]
    (container,) = docker_engine.containers.list(filters={"label": labels})
    container.kill()
    rest, _ = builder.communicate(timeout=60)
    assert builder.returncode == 137, f"expected a killed builder, found exit {builder.returncode}: {rest}"
