"""With compose.prod.yaml the serving containers reach nothing outside, and are reached only through the edge.

Models come from the builder alone, in production and elsewhere.
"""

import os
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.support.cis import RULES
from integration.support.closed import ClosedStack
from integration.support.commands import run_command
from integration.support.fresh import FreshDeployments
from integration.support.inspected import subject_of
from integration.support.stack import SERVING, Deployment, docker_engine, session
from integration.support.users import PROJECT_ROOT, image

INSIDE = "/home/model-server"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("connected")
except OSError as error:
    print("no way:", error)
"""
# Asks a name server (without one in argv: this container's own) for the root's servers, and says the answer's rcode.
ASK_NAME_SERVER = """
import re, socket, sys
own = re.findall(r"^nameserver (\\S+)", open("/etc/resolv.conf").read(), re.M)[0]
server = sys.argv[1] if sys.argv[1:] else own
asking = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(5)
try:
    asking.sendto(bytes.fromhex("123401000001000000000000" "00" "0002" "0001"), (server, 53))
    print(server, "answered", asking.recv(4096)[3] & 15)
except OSError as error:
    print(server, "silent:", error)
"""
# Of the management API, which no port of the production stack publishes.
REQUEST = """
import sys, urllib.error, urllib.request
method, url = sys.argv[1:]
try:
    print(urllib.request.urlopen(urllib.request.Request(url, method=method)).status)
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""


def with_settings(folder: Path, **changes: str) -> Path:
    """An overlay that mounts config.properties with other values."""
    text = (PROJECT_ROOT / "config.properties").read_text()
    lines = [line for line in text.splitlines() if line.partition("=")[0] not in changes]
    folder.mkdir()
    config, overlay = folder / "config.properties", folder / "compose.yaml"
    config.write_text("\n".join([*lines, *(f"{key}={value}" for key, value in changes.items()), ""]))
    mount = f"{config}:{INSIDE}/config.properties:ro"
    overlay.write_text(yaml.safe_dump({"services": {"torchserve": {"volumes": [mount]}}}))
    return overlay


@pytest.fixture
def server_of_archives() -> Iterator[tuple[int, list[str]]]:
    """A server on this machine that would give an archive, with what it was asked for."""
    asked: list[str] = []

    class Archives(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Into `asked`, not to the terminal."""

    with ThreadingHTTPServer(("0.0.0.0", 0), Archives) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


def upstream_name_server() -> str:
    """The first of this machine's that a container can be told of: not on loopback."""
    files = [Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    servers = [server for server in re.findall(r"^nameserver (\S+)", text, re.M) if not server.startswith("127.")]
    assert servers, f"no name server but on loopback in {files}"
    found: str = servers[0]
    return found


def address_of(stack: Deployment, service: str) -> str:
    (network,) = stack.container(service).attrs["NetworkSettings"]["Networks"].values()
    address: str = network["IPAddress"]
    return address


def gateway_of(stack: Deployment) -> str:
    (network,) = stack.container().attrs["NetworkSettings"]["Networks"].values()
    address: str = network["Gateway"]
    return address


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[..., str]]:
    """Runs Python in a container on another network, an ordinary one."""
    network = docker_engine.networks.create(f"torchserve-stack-test-elsewhere-{uuid.uuid4().hex[:8]}")

    def run(script: str, *arguments: str) -> str:
        options = ["--rm", "--network", str(network.name), "--entrypoint", "python"]
        ended = run_command(["docker", "run", *options, image("torchserve"), "-c", script, *arguments], os.environ)
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    yield run
    network.remove()


def models_inside(stack: Deployment) -> str:
    return stack.execute("find", f"{INSIDE}/tmp/models-unpacked", f"{INSIDE}/model-store", "-maxdepth", "1")


@pytest.mark.parametrize(("service", "port"), [("torchserve", "8080"), ("torchserve", "8081"), ("edge", "8000")])
def test_another_network_does_not_reach_the_containers_ports(
    closed_stack: ClosedStack, elsewhere: Callable[..., str], service: str, port: str
) -> None:
    stack = closed_stack.stack
    address = address_of(stack, service)
    assert stack.execute("python", "-c", CONNECT, address, port).strip() == "connected"
    assert elsewhere(CONNECT, address, port).startswith("no way")


@pytest.mark.parametrize("service", SERVING)
def test_what_serves_reaches_nobody_outside(
    closed_stack: ClosedStack, elsewhere: Callable[..., str], service: str
) -> None:
    """Compared with an ordinary container, which this machine's name server answers."""
    server = upstream_name_server()
    assert re.search(r"answered [^2]", elsewhere(ASK_NAME_SERVER, server)), "nothing to compare with"
    ask = partial(closed_stack.stack.execute, "python3", "-c", ASK_NAME_SERVER, service=service)
    assert ask(server).startswith(f"{server} silent")
    own = ask()
    assert re.search(r"silent|answered 2", own), f"Docker's name server asked for it: {own}"  # 2: server failure


@pytest.mark.parametrize("service", SERVING)
def test_the_closed_stack_is_as_hardened(closed_stack: ClosedStack, service: str) -> None:
    subject = subject_of(closed_stack.stack, service)
    for rule in RULES:
        if rule.check and service in rule.services:
            rule.check(subject)


@pytest.mark.parametrize("method_and_path", ["POST /models?url=mnist.mar", "DELETE /models/mnist"])
def test_models_are_registered_and_removed_by_the_manifest_alone(
    closed_stack: ClosedStack, method_and_path: str
) -> None:
    method, path = method_and_path.split()
    answered = closed_stack.stack.execute("python", "-c", REQUEST, method, f"http://127.0.0.1:8081{path}")
    assert answered.startswith("405")


def test_no_address_brings_a_model_into_the_closed_stack(
    closed_stack: ClosedStack, server_of_archives: tuple[int, list[str]]
) -> None:
    port, asked = server_of_archives
    stack = closed_stack.stack
    before = models_inside(stack)
    for address in ("file:///etc/passwd", f"http://{gateway_of(stack)}:{port}/evil.mar"):
        url = f"http://127.0.0.1:8081/models?url={address}"
        assert stack.execute("python", "-c", REQUEST, "POST", url).startswith("405")
    assert models_inside(stack) == before
    assert asked == []


def test_no_address_brings_a_model_into_the_default_stack(
    running_stack: Deployment, server_of_archives: tuple[int, list[str]]
) -> None:
    assert_no_address_brings_a_model(running_stack, server_of_archives)


def test_no_address_brings_a_model_where_somebody_turned_the_model_api_on(
    fresh_deployment: FreshDeployments,
    fresh_store: Callable[..., Path],
    server_of_archives: tuple[int, list[str]],
    tmp_path: Path,
) -> None:
    """allowed_urls matches nothing."""
    overlay = with_settings(tmp_path / "open", enable_model_api="true")
    stack = fresh_deployment(model_store=fresh_store("mnist"), overlays=(overlay,))
    stack.start()
    stack.wait_until_healthy()
    assert_no_address_brings_a_model(stack, server_of_archives)


def assert_no_address_brings_a_model(stack: Deployment, server: tuple[int, list[str]]) -> None:
    port, asked = server
    before = models_inside(stack)
    for address in ("file:///etc/passwd", f"http://{gateway_of(stack)}:{port}/evil.mar"):
        answer = session.post(f"{stack.management}/models", params={"url": address}, timeout=30)
        assert answer.status_code in (404, 405), answer.text
        assert {"code", "type", "message"} <= answer.json().keys()
    assert models_inside(stack) == before
    assert asked == []
