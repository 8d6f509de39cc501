"""The closed stack (compose.prod.yaml) as its clients see it: its certificate, its keys by name, HTTP over TLS."""

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography import x509

from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.polling import wait_until
from integration.support.stack import CLOSED, SERVING, Deployment
from integration.support.store import copy_models
from integration.support.users import PROJECT_ROOT

SCOPES = {"predicting": "predict", "administrating": "admin", "hurried": "predict"}
WRONG_KEY = "tss_that-nobody-has-ever-been-given-by-this-stack-here"
FOLLOWED_S = 15
DEADLINE_S = 60


@dataclass(frozen=True)
class ClosedStack:
    """`keys`: by the names of SCOPES; `secrets`: the folder that the edge reads."""

    stack: Deployment
    secrets: Path
    keys: Mapping[str, str]

    @property
    def authority(self) -> str:
        return str(self.secrets / "ca.pem")

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.stack.ports.edge

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs scripts/stack as the administrator of this stack."""
        return stack_command(self.stack, *arguments)

    def do(self, *arguments: str) -> str:
        ended = self.command(*arguments)
        assert ended.returncode == 0, f"scripts/stack {' '.join(arguments)}: {ended.stdout}"
        return ended.stdout

    def session(self, name: str | None = None) -> requests.Session:
        """Returns a client that trusts the authority and has the key of that name."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.authority
        if name:
            session.headers["Authorization"] = f"Bearer {self.keys[name]}"
        return session

    def ask(
        self, method: str, path: str, key: str | None = None, body: bytes | None = None, **headers: str
    ) -> requests.Response:
        """Sends a request on a separate connection; `key`: as it is sent."""
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        with self.session() as session:
            return session.request(method, f"{self.stack.edge}{path}", data=body, headers=headers, timeout=60)

    def connect(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """Opens a TLS connection with this context, by default that of a careful client."""
        context = context or ssl.create_default_context(cafile=self.authority)
        return context.wrap_socket(socket.create_connection(self.address, timeout=30), server_hostname="localhost")

    def served_certificate(self) -> x509.Certificate:
        """Returns the certificate that every client is shown, even one that refuses it."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with self.connect(context) as connection:
            shown = connection.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown)

    def wait_until_served(self, serial_number: int) -> None:
        wait_until(
            "the edge takes the certificate over",
            lambda: self.served_certificate().serial_number == serial_number,
            FOLLOWED_S,
        )

    def certificate(self) -> x509.Certificate:
        """Returns the certificate in the folder."""
        return x509.load_pem_x509_certificate((self.secrets / "certificate.pem").read_bytes())


def stack_command(stack: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    files = ":".join(str(file) for file in stack.compose_files)
    command = [str(PROJECT_ROOT / "scripts/stack"), *arguments]
    return run_command(command, {**stack.environment(), "COMPOSE_FILE": files})


def start_closed_stack(deployments: FreshDeployments, users_store: Path, folder: Path) -> ClosedStack:
    """Starts it with mnist, a new certificate and a key of each kind, made as its administrator would."""
    secrets = folder / "edge"
    stack = deployments(overlays=(CLOSED,), EDGE_SECRETS=str(secrets))
    copy_models(users_store, stack.model_store, ["mnist"])
    made = stack_command(stack, "certs")
    assert made.returncode == 0, made.stdout
    keys = {name: new_key(stack, name, scope) for name, scope in SCOPES.items()}
    stack.start(*SERVING)
    stack.wait_until_healthy()
    return ClosedStack(stack, secrets, keys)


def new_key(stack: Deployment, name: str, scope: str = "predict") -> str:
    added = stack_command(stack, "key", "add", name, "--scope", scope)
    assert added.returncode == 0, added.stdout
    return printed_key(added.stdout)


def printed_key(output: str) -> str:
    """Returns the key that `scripts/stack key add` shows once."""
    (key,) = (line for line in output.splitlines() if line.startswith("tss_"))
    return key


def new_certificate_and_key(settings: Mapping[str, str], hosts: Sequence[str]) -> str:
    """Makes a certificate for those hosts, and returns a client's key; `settings`: EDGE_SECRETS and the files."""
    environment, stack = {**os.environ, **settings}, str(PROJECT_ROOT / "scripts/stack")
    names = [option for host in hosts for option in ("--host", host)]
    for arguments in (["certs", *names], ["key", "add", "client"]):
        ended = run_command([stack, *arguments], environment)
        assert ended.returncode == 0, ended.stdout
    return printed_key(ended.stdout)


@contextmanager
def constant_requests(closed_stack: ClosedStack, picture: bytes) -> Iterator[list[str]]:
    """Predicts without a pause, every second time on a new connection; gives the answers other than 7."""
    wrong: list[str] = []
    answered: list[str] = []
    over = threading.Event()

    def predict_on() -> None:
        url = f"{closed_stack.stack.edge}/predictions/mnist"
        with closed_stack.session("predicting") as kept:
            while not over.is_set():
                with closed_stack.session("predicting") as new:
                    for session in (kept, new):
                        try:
                            answer = session.post(url, data=picture, timeout=30)
                            (answered if answer.text == "7" else wrong).append(f"{answer.status_code} {answer.text}")
                        except requests.RequestException as error:
                            wrong.append(str(error))

    thread = threading.Thread(target=predict_on)
    thread.start()
    try:
        wait_until("the first answers", lambda: len(answered) > 2, DEADLINE_S)
        yield wrong
        before = len(answered)
        wait_until("answers after it", lambda: len(answered) > before + 2 or wrong, DEADLINE_S)
    finally:
        over.set()
        thread.join()


def identity(stack: Deployment) -> list[str]:
    """Identifies the starts of the containers, so that no test restarts one unnoticed."""
    return [f"{stack.container(service).id} {stack.state(service)['StartedAt']}" for service in SERVING]
