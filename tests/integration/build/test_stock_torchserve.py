"""An archive is self-contained: TorchServe as it comes, without this stack's runtime, serves it as well."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker.models.containers import Container

from integration.support.polling import wait_until
from integration.support.stack import Deployment, docker_engine
from integration.support.store import entry_of

STARTED_DEADLINE_S = 120
# From inside: a stock TorchServe listens on the container's own loopback.
# Without the header urllib says that the image is a form.
PREDICT = (
    "import urllib.request as u;"
    "r = u.Request('http://127.0.0.1:8080/predictions/mnist', open('/7.png', 'rb').read());"
    "r.add_header('Content-Type', 'image/png');"
    "print(u.urlopen(r, timeout=60).read().decode())"
)


@pytest.fixture
def stock_torchserve(running_stack: Deployment, seven: Path) -> Iterator[Container]:
    """The stack's base image, started by hand on the user's model store."""
    archive = entry_of(running_stack.model_store, "mnist", "1.0")["archive"]
    options = f"--start --foreground --ncs --disable-token-auth --model-store /model_store --models mnist={archive}"
    container = docker_engine.containers.run(
        os.environ["TORCHSERVE_IMAGE"],
        ["torchserve", *options.split()],
        name=f"torchserve-stack-test-stock-{uuid.uuid4().hex[:8]}",
        volumes={
            str(running_stack.model_store): {"bind": "/model_store", "mode": "ro"},
            str(seven): {"bind": "/7.png", "mode": "ro"},
        },
        environment={"OMP_NUM_THREADS": "1"},
        detach=True,
    )
    yield container
    container.remove(force=True)


def test_stock_torchserve_serves_the_archive(stock_torchserve: Container) -> None:
    def answers() -> bool:
        ended = stock_torchserve.exec_run(["python", "-c", PREDICT])
        assert (ended.exit_code, ended.output) == (0, b"7\n"), repr(ended.output)[-300:]
        return True

    wait_until("stock TorchServe answers 7", answers, STARTED_DEADLINE_S)
