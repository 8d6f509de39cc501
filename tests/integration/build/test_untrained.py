"""densenet161 without its published weights: random ones on request, labelled everywhere, or weights from a file."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from integration.support.commands import run_command, run_in_image
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import change_settings
from integration.support.stack import SERVING, Deployment
from integration.support.store import entry_of
from integration.support.users import PROJECT_ROOT, users_folder

MODELS = PROJECT_ROOT / "tests/integration/support/models"
MODEL = "densenet161"
SEED = 0


def in_builder_image(task: str, seed: int, *paths: str, folder: Path) -> str:
    """Run a task of eager_densenet161.py; `folder` is /data there."""
    command = ["python", "/tests/eager_densenet161.py", task, str(seed), *paths]
    return run_in_image("builder", command, {MODELS: "/tests:ro", folder: "/data"})


@dataclass(frozen=True)
class Untrained:
    stack: Deployment
    builder_log: str


@pytest.fixture(scope="module")
def untrained(fresh_deployment: FreshDeployments) -> Untrained:
    """A stack that serves densenet161 with random weights, asked for by name."""
    stack = fresh_deployment(MODEL_WEIGHTS=f"{MODEL}=random:{SEED}")
    builder_log = stack.build_models(MODEL)
    stack.start(*SERVING)
    stack.wait_until_healthy()
    return Untrained(stack, builder_log)


@pytest.fixture(scope="module")
def photo(photos: dict[Path, int]) -> Path:
    return next(iter(photos))


@pytest.fixture(scope="module")
def answer(untrained: Untrained, photo: Path) -> requests.Response:
    answer = untrained.stack.predict(MODEL, photo.read_bytes())
    assert answer.status_code == 200, answer.text[:500]
    return answer


def test_five_labels_over_http_are_local_eagers(answer: requests.Response, photo: Path, tmp_path: Path) -> None:
    shutil.copy(users_folder("MODEL_SRC", "model_src") / MODEL / "index_to_name.json", tmp_path / "classes.json")
    shutil.copy(photo, tmp_path / "photo.jpg")
    eager = json.loads(
        in_builder_image("predict", SEED, "/data/classes.json", "/data/photo.jpg", folder=tmp_path).splitlines()[-1]
    )
    served = answer.json()
    assert list(served) == list(eager)
    assert len(served) == 5
    assert served == pytest.approx(eager, abs=1e-3)


def test_the_builders_log_says_untrained(untrained: Untrained) -> None:
    assert any(MODEL in line and "UNTRAINED" in line for line in untrained.builder_log.splitlines())


def test_the_manifest_says_untrained(untrained: Untrained) -> None:
    entry = entry_of(untrained.stack.model_store, MODEL)
    assert entry["trained"] is False
    assert "UNTRAINED" in entry["weights"]["origin"]
    assert f"{SEED}" in entry["weights"]["origin"]


def test_every_answer_says_untrained(answer: requests.Response) -> None:
    assert answer.headers["X-Model-Untrained"] == "true"


def test_the_servers_log_and_health_say_untrained(untrained: Untrained) -> None:
    warnings = [line for line in untrained.stack.said().splitlines() if line.startswith("entrypoint: WARNING")]
    assert any(MODEL in line and "UNTRAINED" in line for line in warnings)
    assert "UNTRAINED" in untrained.stack.health_lines()


def test_the_status_command_says_untrained(untrained: Untrained) -> None:
    ended = run_command([str(PROJECT_ROOT / "scripts/stack"), "status"], untrained.stack.environment())
    assert ended.returncode == 0, ended.stdout
    assert any(MODEL in line and "UNTRAINED" in line for line in ended.stdout.splitlines()), ended.stdout


@pytest.fixture(scope="module")
def legacy_file(workspace: Path) -> Path:
    """A state_dict with the keys of PyTorch's published file, named after its hash as PyTorch does."""
    folder = workspace / "legacy"
    folder.mkdir()
    in_builder_image("legacy", SEED, "/data/legacy.pth", folder=folder)
    written = folder / "legacy.pth"
    return written.rename(folder / f"{MODEL}-{hashlib.sha256(written.read_bytes()).hexdigest()[:8]}.pth")


@pytest.fixture
def model_with_file(tmp_path: Path, legacy_file: Path) -> Path:
    """A copy of densenet161's folder with the file in it; no expected answers, since its weights are random.

    Served by PyTorch itself: what is tested are the weights, and converting them takes most of a minute.
    """
    source, model_src = users_folder("MODEL_SRC", "model_src"), tmp_path / "model_src"
    for part in ("common", MODEL):
        shutil.copytree(source / part, model_src / part, ignore=shutil.ignore_patterns("__pycache__", "*.pth"))
    (model_src / MODEL / "samples/expected.json").unlink(missing_ok=True)
    shutil.copy(legacy_file, model_src / MODEL)
    change_settings(model_src / MODEL, engine={"cpu": "eager"}, data=None, labelled=None, calibration=None)
    return model_src / MODEL


def build_with_file(
    fresh_deployment: FreshDeployments, model: Path, file: str
) -> "tuple[Deployment, subprocess.CompletedProcess[str]]":
    workshop = fresh_deployment(model_src=model.parent, MODEL_WEIGHTS=f"{MODEL}=file:{file}")
    return workshop, workshop.run_builder(MODEL)


def test_a_file_with_legacy_keys_loads(
    fresh_deployment: FreshDeployments, model_with_file: Path, legacy_file: Path
) -> None:
    workshop, ended = build_with_file(fresh_deployment, model_with_file, legacy_file.name)
    assert ended.returncode == 0, ended.stdout
    entry = entry_of(workshop.model_store, MODEL)
    assert entry["status"] == "available", entry
    assert entry["weights"]["sha256"] == hashlib.sha256(legacy_file.read_bytes()).hexdigest()
    in_builder_image("same", SEED, f"/data/{entry['archive']}", folder=workshop.model_store)


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_file_is_refused_with_both_hashes_named(
    fresh_deployment: FreshDeployments, model_with_file: Path, legacy_file: Path, damage: str
) -> None:
    content = legacy_file.read_bytes()
    file = model_with_file / legacy_file.name
    file.write_bytes(content[: len(content) // 2] if damage == "truncated" else content[:-1] + b"!")
    workshop, ended = build_with_file(fresh_deployment, model_with_file, legacy_file.name)
    assert ended.returncode == 1, f"exit {ended.returncode}: {ended.stdout}"
    (failure,) = [line for line in ended.stdout.splitlines() if line.startswith(f"{MODEL} 1.0: FAIL")]
    expected, found = legacy_file.stem.rpartition("-")[2], hashlib.sha256(file.read_bytes()).hexdigest()
    assert f"expected sha256 {expected}" in failure
    assert f"found sha256 {found}" in failure
    assert not list(workshop.model_store.glob("*.mar"))
