"""Makes the tests' own compose projects, which they may damage, kill and stop."""

import functools
import uuid
from dataclasses import dataclass
from pathlib import Path

from integration.support.ports import Ports
from integration.support.stack import Deployment, Observation, docker_engine
from integration.support.store import give_to_container_user
from integration.support.users import PROJECT_ROOT, users_folder

SUPPORT = PROJECT_ROOT / "tests/integration/support"
START_INTERVAL_API = (1, 44)  # Docker 25


@functools.cache
def quick_start() -> tuple[Path, ...]:
    """Returns the overlay with which a healthy start is noticed within a second, if the engine supports it."""
    api = tuple(int(number) for number in docker_engine.version()["ApiVersion"].split("."))
    return (SUPPORT / "compose.quick.yaml",) if api >= START_INTERVAL_API else ()


class FreshDeployments:
    """Makes projects with their own store and ports and the user's images; `remove_all` leaves nothing of them."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.made: list[Deployment] = []

    def __call__(
        self,
        model_src: Path | None = None,
        model_store: Path | None = None,
        overlays: tuple[Path, ...] = (),
        **variables: str,
    ) -> Deployment:
        """Makes a project without starting it; overlays: of compose.yaml; variables: of it, such as ARCHIVE_FORMAT."""
        identity = uuid.uuid4().hex[:8]
        if model_store is None:
            model_store = self.workspace / f"store-{identity}"
            model_store.mkdir()
            give_to_container_user(model_store)
        deployment = Deployment(
            project=f"torchserve-stack-test-{identity}",
            model_store=model_store,
            model_src=model_src or users_folder("MODEL_SRC", "model_src"),
            ports=Ports.free(),
            compose_files=(
                PROJECT_ROOT / "compose.yaml",
                *overlays,
                SUPPORT / "compose.fresh.yaml",
                *quick_start(),
            ),
            variables=variables,
        )
        self.made.append(deployment)
        return deployment

    def remove_all(self) -> None:
        for deployment in self.made:
            deployment.remove()


@dataclass(frozen=True)
class Workshop:
    """Two versions of mnist (2.0 answers in words) and a slow model, and how their stack was seen to start."""

    stack: Deployment
    start: list[Observation]
