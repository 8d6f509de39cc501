"""compose.prod.yaml: only inference is published, it asks for a key, and the server reaches nobody outside.

Models come from the builder alone, in production and elsewhere.
"""

import json
import os
import re
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
import yaml

from cis import RULES
from deployment import PROJECT_ROOT, Deployment, docker_engine, image, run_command, session
from fresh import FreshDeployments
from polling import wait_until
from test_cis import subject_of

# TorchServe's own unit: 9 s, so that keys expire while the tests look.
EXPIRY_MIN = 0.15
DEADLINE_S = 60
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
from runtime.keys import usable_key
method, url = sys.argv[1:]
headers = {"Authorization": "Bearer " + usable_key("management")}
try:
    print(urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)).status)
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


@pytest.fixture(scope="module")
def closed_stack(
    fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """The production stack with mnist, healthy; its keys last 9 s."""
    short = with_settings(tmp_path_factory.mktemp("control") / "short", token_expiration_min=str(EXPIRY_MIN))
    stack = fresh_deployment(model_store=fresh_store("mnist"), overlays=(PROJECT_ROOT / "compose.prod.yaml", short))
    stack.start()
    stack.wait_until_healthy()
    return stack


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


def keys_of(stack: Deployment) -> dict[str, str]:
    written = json.loads(stack.execute("cat", f"{INSIDE}/tmp/key_file.json"))
    return {kind: entry["key"] for kind, entry in written.items()}


def predict(stack: Deployment, body: bytes, key: str | None) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return session.post(f"{stack.inference}/predictions/mnist", data=body, headers=headers, timeout=30)


def stack_command(stack: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    files = ":".join(str(file) for file in stack.compose_files)
    command = [str(PROJECT_ROOT / "scripts/stack"), *arguments]
    return run_command(command, {**stack.environment(), "COMPOSE_FILE": files})


def upstream_name_server() -> str:
    """The first of this machine's that a container can be told of: not on loopback."""
    files = [Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    servers = [server for server in re.findall(r"^nameserver (\S+)", text, re.M) if not server.startswith("127.")]
    assert servers, f"no name server but on loopback in {files}"
    found: str = servers[0]
    return found


def address_of(stack: Deployment) -> str:
    (network,) = stack.container().attrs["NetworkSettings"]["Networks"].values()
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


def test_management_metrics_and_grpc_management_are_not_published(closed_stack: Deployment) -> None:
    assert set(closed_stack.container().attrs["HostConfig"]["PortBindings"]) == {"8080/tcp", "7070/tcp"}
    for port in (closed_stack.ports.management, closed_stack.ports.metrics, closed_stack.ports.grpc_management):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_another_network_does_not_reach_the_servers_ports(
    closed_stack: Deployment, elsewhere: Callable[..., str]
) -> None:
    assert closed_stack.execute("python", "-c", CONNECT, address_of(closed_stack), "8081").strip() == "connected"
    assert elsewhere(CONNECT, address_of(closed_stack), "8081").startswith("no way")


def test_the_server_reaches_nobody_outside(closed_stack: Deployment, elsewhere: Callable[..., str]) -> None:
    """Compared with an ordinary container, which this machine's name server answers."""
    server = upstream_name_server()
    assert re.search(r"answered [^2]", elsewhere(ASK_NAME_SERVER, server)), "nothing to compare with"
    assert closed_stack.execute("python", "-c", ASK_NAME_SERVER, server).startswith(f"{server} silent")
    own = closed_stack.execute("python", "-c", ASK_NAME_SERVER)
    assert re.search(r"silent|answered 2", own), f"Docker's name server asked for it: {own}"  # 2: server failure


def test_inference_wants_the_inference_key(closed_stack: Deployment, seven: Path) -> None:
    picture = seven.read_bytes()
    for wrong in (None, "wrong", keys_of(closed_stack)["management"]):
        answer = predict(closed_stack, picture, wrong)
        assert answer.status_code == 400
        assert answer.json()["type"] == "InvalidKeyException"
    key = stack_command(closed_stack, "token", "inference").stdout.strip()
    answer = predict(closed_stack, picture, key)
    assert (answer.status_code, answer.text) == (200, "7")


def test_an_expired_key_is_refused_and_the_command_line_gets_a_fresh_one(closed_stack: Deployment, seven: Path) -> None:
    picture = seven.read_bytes()
    old = stack_command(closed_stack, "token", "inference").stdout.strip()
    wait_until("the key expires", lambda: predict(closed_stack, picture, old).status_code == 400, DEADLINE_S)
    predicted = stack_command(closed_stack, "predict", "mnist", str(seven))
    assert (predicted.returncode, predicted.stdout) == (0, "7\n")
    assert keys_of(closed_stack)["inference"] != old


def test_health_outlives_the_keys(closed_stack: Deployment) -> None:
    seen = {keys_of(closed_stack)["management"]}

    def three_generations() -> bool:
        seen.add(keys_of(closed_stack)["management"])
        assert closed_stack.health() == "healthy", closed_stack.health_lines()
        return len(seen) >= 3

    wait_until("the entrypoint renews the management key twice", three_generations, DEADLINE_S)


def test_grpc_wants_the_inference_key_too(closed_stack: Deployment) -> None:
    address = f"127.0.0.1:{closed_stack.ports.grpc_inference}"
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ping: Callable[..., bytes] = channel.unary_unary("/org.pytorch.serve.grpc.inference.InferenceAPIsService/Ping")
        for wrong in ((), (("authorization", "Bearer wrong"),)):
            with pytest.raises(grpc.RpcError, match="Token Authorization failed"):
                ping(b"", metadata=wrong, timeout=DEADLINE_S)
        key = stack_command(closed_stack, "token", "inference").stdout.strip()
        assert b"Healthy" in ping(b"", metadata=(("authorization", f"Bearer {key}"),), timeout=DEADLINE_S)


def test_the_command_line_shows_the_closed_stack(closed_stack: Deployment) -> None:
    shown = stack_command(closed_stack, "status")
    assert shown.returncode == 0, shown.stdout
    assert "READY" in shown.stdout
    assert str(closed_stack.ports.inference) in shown.stdout
    assert str(closed_stack.ports.management) not in shown.stdout


def test_the_closed_server_is_as_hardened(closed_stack: Deployment) -> None:
    subject = subject_of(closed_stack, "torchserve")
    for rule in RULES:
        if rule.check and "torchserve" in rule.services:
            rule.check(subject)


@pytest.mark.parametrize("method_and_path", ["POST /models?url=mnist.mar", "DELETE /models/mnist"])
def test_models_are_registered_and_removed_by_the_manifest_alone(
    closed_stack: Deployment, method_and_path: str
) -> None:
    method, path = method_and_path.split()
    answered = closed_stack.execute("python", "-c", REQUEST, method, f"http://127.0.0.1:8081{path}")
    assert answered.startswith("405")


def test_no_address_brings_a_model_into_the_closed_stack(
    closed_stack: Deployment, server_of_archives: tuple[int, list[str]]
) -> None:
    port, asked = server_of_archives
    before = models_inside(closed_stack)
    for address in ("file:///etc/passwd", f"http://{gateway_of(closed_stack)}:{port}/evil.mar"):
        url = f"http://127.0.0.1:8081/models?url={address}"
        assert closed_stack.execute("python", "-c", REQUEST, "POST", url).startswith("405")
    assert models_inside(closed_stack) == before
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
