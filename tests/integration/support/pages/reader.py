"""A reader of the README and of the guides: a clone, a stack, and a terminal that the examples are typed into."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import requests

from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.pages.examples import Example, assert_shown_in_order
from integration.support.ports import DEFAULT_PORTS, Ports
from integration.support.stack import Deployment, session
from integration.support.store import give_to_container_user
from integration.support.users import PROJECT_ROOT

PORTS = ("inference", "management", "metrics", "edge")
SECRETS = ".stack/secrets/edge"


@dataclass(frozen=True)
class Reader:
    """`folder`: the clone. Its stack has its own name and ports, and a store that is already filled."""

    stack: Deployment
    folder: Path

    @classmethod
    def of(cls, user: Deployment, deployments: FreshDeployments, folder: Path) -> "Reader":
        """A clone in `folder`; the models that need no rebuilding come from the user's store."""
        (folder / "scripts").symlink_to(PROJECT_ROOT / "scripts")
        shutil.copytree(user.model_src, folder / "model_src", ignore=shutil.ignore_patterns("__pycache__"))
        store = give_to_container_user(shutil.copytree(user.model_store, folder / "model_store"))
        secrets = str(folder / "edge")
        return cls(deployments(model_src=folder / "model_src", model_store=store, EDGE_SECRETS=secrets), folder)

    def type(self, example: Example) -> None:
        """Fails unless the commands succeed and print what the page shows."""
        commands = self._here(example.commands)
        printed = self._run(commands)
        assert_shown_in_order([self._here(line) for line in example.output], printed)

    def open_stack(self) -> None:
        """What a guide starts from: `scripts/stack up` of compose.yaml alone. Does nothing where it serves already."""
        try:
            session.get(f"{self.stack.inference}/ping", timeout=10)
        except requests.ConnectionError:
            self._run("scripts/stack up")

    def _run(self, commands: str) -> str:
        ended = run_command(["bash", "-euc", f"cd {self.folder}\n{commands}"], self.stack.environment())
        assert ended.returncode == 0, f"{commands}\nexit {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def _here(self, text: str) -> str:
        """With this stack's ports and folders in the place of the usual ones."""
        usual = Ports(*DEFAULT_PORTS)
        for port in PORTS:
            text = text.replace(f"localhost:{getattr(usual, port)}", f"localhost:{getattr(self.stack.ports, port)}")
        return text.replace(SECRETS, str(self.folder / "edge"))
