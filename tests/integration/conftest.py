"""The states the integration tests start from: the user's running stack, fresh stacks and stores, real images."""

import hashlib
import subprocess
import sys
import tempfile
import uuid
import zipfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from integration.support.closed import ClosedStack, start_closed_stack
from integration.support.commands import run_in_image
from integration.support.evidence import keep_evidence
from integration.support.fresh import FreshDeployments, Workshop
from integration.support.models.folders import answer_in_words, copy_mnist, write_brightness_model
from integration.support.pages.faults import FaultTable
from integration.support.ports import Ports
from integration.support.registry import Registry, start_registry
from integration.support.stack import Deployment, docker_engine
from integration.support.store import copy_models, entry_of
from integration.support.users import PROJECT_ROOT, cache_volume, image, users_folder, users_project

FOOLBOX_WHEEL = "foolbox-3.3.4-py3-none-any.whl"
FOOLBOX_SHA256 = "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb"

# The volume may be gone while the model store is not: then nothing but this asks for the data.
FETCH_MNIST = """
from pathlib import Path
from builder.inputs.downloads import fetch_package_folder
from builder.spec import load_spec
fetch_package_folder(load_spec(Path("/model_src/mnist/model.yaml")).data, Path("/cache"))
"""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        keep_evidence(item.name)
    return report


@pytest.fixture(scope="session")
def running_stack() -> Deployment:
    """The user's own stack, as `scripts/stack up` left it; tests may look and predict, but not change it."""
    stack = Deployment(
        project=users_project(),
        model_store=users_folder("MODEL_STORE", "model_store"),
        model_src=users_folder("MODEL_SRC", "model_src"),
        ports=Ports.of_the_user(),
    )
    assert stack.containers("torchserve"), f"{stack.project} has no torchserve container: run scripts/stack up first"
    assert stack.health() == "healthy", f"{stack.project} is {stack.health()}: {stack.health_lines()}"
    assert not stack.unready_models(), f"healthy, but not READY: {stack.unready_models()}"
    return stack


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of fresh deployments' stores and sources; the images they need exist."""
    for part in ("builder", "torchserve", "edge"):
        assert docker_engine.images.list(name=image(part)), f"image {image(part)} is missing: run scripts/stack build"
    assert cache_volume() in [volume.name for volume in docker_engine.volumes.list()], (
        f"volume {cache_volume()} is missing: run scripts/stack up first"
    )
    return tmp_path_factory.mktemp("stacks")


@pytest.fixture(scope="module")
def fresh_deployment(workspace: Path) -> Iterator[FreshDeployments]:
    """A function that makes a compose project for the test; all are removed after the module."""
    deployments = FreshDeployments(workspace)
    yield deployments
    deployments.remove_all()


@pytest.fixture(scope="session")
def workshop(workspace: Path, running_stack: Deployment) -> Iterator[Workshop]:
    """A running stack that tests may stop, kill and reconfigure, as long as they leave it as they found it."""
    sources = workspace / "workshop-src"
    archive = running_stack.model_store / entry_of(running_stack.model_store, "mnist", "1.0")["archive"]
    copy_mnist(running_stack.model_src, archive, sources, "mnist-1")
    second = copy_mnist(running_stack.model_src, archive, sources, "mnist-2", version="2.0")
    answer_in_words(second)
    write_brightness_model(sources, "slow", "slow_handler.py", serving={"batchSize": 1, "minWorkers": 1})
    deployments = FreshDeployments(workspace)
    stack = deployments(model_src=sources)
    try:
        stack.build_models()
        yield Workshop(stack, stack.start_and_watch())
    finally:
        deployments.remove_all()


@pytest.fixture
def workshop_stack(workshop: Workshop) -> Deployment:
    """The workshop's stack, healthy again whatever the previous test did."""
    workshop.stack.wait_until_healthy()
    return workshop.stack


@pytest.fixture(scope="session")
def closed_stack(
    workspace: Path, running_stack: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ClosedStack]:
    """The production stack with mnist, healthy."""
    deployments = FreshDeployments(workspace)
    try:
        yield start_closed_stack(deployments, running_stack.model_store, tmp_path_factory.mktemp("secrets"))
    finally:
        deployments.remove_all()


@pytest.fixture(scope="session")
def started_faults_stack(workspace: Path, running_stack: Deployment) -> Iterator[Deployment]:
    """The user's mnist and a hog (which holds, or takes, what it is told to), in little memory."""
    sources = workspace / "hog-src"
    # One worker, no other request in its batches, and few in its queue.
    alone = {"batchSize": 1, "minWorkers": 1, "maxWorkers": 1, "jobQueueSize": 4}
    write_brightness_model(sources, "hog", "hog_handler.py", serving=alone)
    deployments = FreshDeployments(workspace)
    stack = deployments(model_src=sources, TORCHSERVE_MEMORY="1g")
    try:
        stack.build_models()
        copy_models(running_stack.model_store, stack.model_store, ["mnist"])
        stack.start()
        yield stack
    finally:
        deployments.remove_all()


@pytest.fixture
def faults_stack(started_faults_stack: Deployment) -> Deployment:
    """The faults stack, healthy again whatever the previous test did."""
    started_faults_stack.start()
    started_faults_stack.wait_until_healthy()
    return started_faults_stack


@pytest.fixture(scope="session")
def fault_table(write_docs: bool) -> Iterator[FaultTable]:
    """The table in which the fault tests record what became of the requests."""
    table = FaultTable()
    yield table
    if write_docs:
        table.write()


@pytest.fixture(scope="module")
def fresh_store(workspace: Path) -> Callable[..., Path]:
    """Copies some models of the user's store, and candidates only if asked, into the test's own store."""

    def make(*names: str, candidates: bool = False) -> Path:
        source = users_folder("MODEL_STORE", "model_store")
        return copy_models(source, workspace / f"store-{uuid.uuid4().hex[:8]}", names, candidates)

    return make


@pytest.fixture(scope="session")
def registry(workspace: Path) -> Iterator[Registry]:
    """A registry of images, whose content is kept for the next run."""
    started = start_registry()
    yield started
    started.remove()


@pytest.fixture(scope="session")
def seven(running_stack: Deployment) -> Path:
    """The picture of the seeds' command line: a handwritten seven, 28×28 PNG, from the model's own samples."""
    picture = running_stack.model_src / "mnist/samples/7.png"
    assert picture.is_file(), f"{picture} is missing"
    return picture


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, int]:
    """Foolbox's 20 ImageNet photos → the ImageNet class index that is in each one's name."""
    cache = PROJECT_ROOT / ".stack/test-data"
    wheel = cache / FOOLBOX_WHEEL
    if not wheel.is_file():
        with tempfile.TemporaryDirectory(dir=cache.parent) as partial:  # another lane may want it at the same time
            download = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", partial, "foolbox==3.3.4"]
            ended = subprocess.run(download, capture_output=True, text=True, timeout=300, check=False)
            assert ended.returncode == 0, f"{' '.join(download)}: {ended.stdout}{ended.stderr}"
            cache.mkdir(exist_ok=True)
            (Path(partial) / FOOLBOX_WHEEL).replace(wheel)
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert found == FOOLBOX_SHA256, f"{wheel}: expected sha256 {FOOLBOX_SHA256}, found {found}; delete it"
    folder = tmp_path_factory.mktemp("photos")
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("foolbox/data/imagenet_"))
        paths = [Path(archive.extract(name, folder)) for name in names]
    assert len(paths) == 20, f"expected 20 photos in {wheel}, found {len(paths)}"
    return {path: int(path.stem.rsplit("_", 1)[1]) for path in paths}


@pytest.fixture(scope="session")
def mnist_test_files(running_stack: Deployment, workspace: Path) -> Path:
    """The two IDX files of MNIST's 10,000 test images, from the builder's cache or fetched by it again."""
    folder = workspace / "mnist-test"
    folder.mkdir()
    running_stack.compose(
        "run", "--rm", "--no-TTY", "--no-deps", "--entrypoint", "python", "builder", "-c", FETCH_MNIST
    )
    copy = 'find /cache -name "t10k-*-ubyte" -exec cp {} /out/ \\;'
    run_in_image("builder", ["sh", "-c", copy], {cache_volume(): "/cache:ro", folder: "/out"})
    assert list(folder.iterdir()), f"no t10k-*-ubyte in volume {cache_volume()}"
    return folder
