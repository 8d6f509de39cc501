"""The closed stack's edge: added and removed keys, TLS, limits, and what its log contains and omits."""

import json
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from integration.support.closed import (
    DEADLINE_S,
    FOLLOWED_S,
    WRONG_KEY,
    ClosedStack,
    constant_requests,
    identity,
    new_key,
)
from integration.support.commands import run_command
from integration.support.pages.access import LOG_FIELDS
from integration.support.polling import wait_until
from integration.support.stack import SERVING, Deployment

MAX_BYTES = 16 << 20
# For a refusal that once was missed: how many have to arrive, and from how many clients at a time.
TRIES, FEW_TRIES, CLIENTS = 50, 5, 4
MARKER = "body-that-no-log-may-hold"
HOSTILE_PATH = "/a]b\\c%22d\"'e"
FLOOD = 500


def test_keys_change_without_a_restart_and_without_a_lost_request(closed_stack: ClosedStack, seven: Path) -> None:
    picture = seven.read_bytes()
    before = identity(closed_stack.stack)
    old = new_key(closed_stack.stack, "rotated-1")
    wait_until("the old key is accepted", lambda: closed_stack.ask("GET", "/models", old).ok, FOLLOWED_S)
    with closed_stack.session() as on_an_open_connection, constant_requests(closed_stack, picture) as wrong:
        on_an_open_connection.headers["Authorization"] = f"Bearer {old}"
        assert on_an_open_connection.get(f"{closed_stack.stack.edge}/models", timeout=30).ok
        new = new_key(closed_stack.stack, "rotated-2")
        wait_until("the new key is accepted", lambda: closed_stack.ask("GET", "/models", new).ok, FOLLOWED_S)
        assert closed_stack.ask("GET", "/models", old).ok, "it was not removed yet"
        closed_stack.do("key", "remove", "rotated-1")
        wait_until(
            "the old key is refused", lambda: closed_stack.ask("GET", "/models", old).status_code == 401, FOLLOWED_S
        )
        assert on_an_open_connection.get(f"{closed_stack.stack.edge}/models", timeout=30).status_code == 401
        assert closed_stack.ask("GET", "/models", new).ok
    assert not wrong, wrong
    closed_stack.do("key", "remove", "rotated-2")
    assert identity(closed_stack.stack) == before


@pytest.mark.parametrize("key", [WRONG_KEY, "", "Bearer", "tss_", "é" * 40])
def test_a_wrong_key_is_refused_in_words(closed_stack: ClosedStack, key: str) -> None:
    answer = closed_stack.ask("GET", "/models", key.encode().decode("latin-1"))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="edge"'
    assert answer.json()["type"] == "UnauthorizedException"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("scheme", ["Basic ", "", "Token "])
def test_a_key_is_one_as_a_bearer_token_alone(closed_stack: ClosedStack, scheme: str) -> None:
    sent = {"Authorization": f"{scheme}{closed_stack.keys['administrating']}"}
    assert closed_stack.ask("GET", "/models", None, None, **sent).status_code == 401


def test_a_key_without_the_scope_is_told_which_it_needs(closed_stack: ClosedStack) -> None:
    answer = closed_stack.ask("GET", "/models/mnist", closed_stack.keys["predicting"])
    assert (answer.status_code, answer.json()["type"]) == (403, "ForbiddenException")
    assert 'error="insufficient_scope", scope="admin"' in answer.headers["WWW-Authenticate"]


def test_the_keys_of_clients_stay_at_the_edge(closed_stack: ClosedStack) -> None:
    assert all(key not in (closed_stack.secrets / "keys").read_text() for key in closed_stack.keys.values())
    assert "predicting  predict" in closed_stack.do("key", "list")


def test_who_speaks_http_on_the_tls_port_gets_no_answer(closed_stack: ClosedStack) -> None:
    key = closed_stack.keys["predicting"]
    with socket.create_connection(closed_stack.address, timeout=30) as connection:
        connection.sendall(f"GET /models HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        received = b""
        try:
            while chunk := connection.recv(4096):
                received += chunk
        except ConnectionResetError:
            pass
    assert b"HTTP" not in received


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_modern_tls_is_accepted(closed_stack: ClosedStack, version: str) -> None:
    context = ssl.create_default_context(cafile=closed_stack.authority)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]
    with closed_stack.connect(context) as connection:
        assert connection.version() == version


def test_tls_1_1_is_refused_by_the_edge(closed_stack: ClosedStack) -> None:
    """The alert is the server's: this client would go on."""
    context = ssl.create_default_context(cafile=closed_stack.authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        closed_stack.connect(context)


@pytest.mark.parametrize(
    "cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256"]
)
def test_ciphers_without_forward_secrecy_or_authenticated_encryption_are_refused(
    closed_stack: ClosedStack, cipher: str
) -> None:
    context = ssl.create_default_context(cafile=closed_stack.authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        closed_stack.connect(context)


def curl(closed_stack: ClosedStack, path: str, *options: str) -> str:
    url = f"https://localhost:{closed_stack.stack.ports.edge}{path}"
    trust = ["--cacert", closed_stack.authority, "--noproxy", "*", "--silent", "--show-error"]
    ended = subprocess.run(["curl", *trust, *options, url], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_http_2_is_spoken_with_who_offers_it(closed_stack: ClosedStack) -> None:
    written = ("--output", "/dev/null", "--write-out", "%{http_version} %{http_code}")
    assert curl(closed_stack, "/ping", "--http2", *written) == "2 200"
    context = ssl.create_default_context(cafile=closed_stack.authority)
    context.set_alpn_protocols(["http/1.1"])
    with closed_stack.connect(context) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("path", ["/ping", "/", "/models", "/nothing"])
def test_browsers_are_told_to_stay_with_https(closed_stack: ClosedStack, path: str) -> None:
    assert closed_stack.ask("GET", path).headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize("expect", ["", "100-continue"], ids=["sent at once", "asked before it is sent"])
@pytest.mark.parametrize("protocol", ["--http2", "--http1.1"])
@pytest.mark.parametrize(
    ("status", "path", "key", "size", "tries"),
    [
        (401, "/predictions/mnist", None, 200, TRIES),
        (401, "/predictions/mnist", None, 4_000_000, TRIES),
        (403, "/models/mnist", "predicting", 4_000_000, FEW_TRIES),
        (404, "/prediction/mnist", "predicting", 4_000_000, FEW_TRIES),
        (405, "/models", "predicting", 4_000_000, FEW_TRIES),
        (413, "/predictions/mnist", "predicting", MAX_BYTES + 1, FEW_TRIES),
    ],
)
def test_a_refusal_arrives_each_time(
    closed_stack: ClosedStack,
    tmp_path: Path,
    status: int,
    path: str,
    key: str | None,
    size: int,
    tries: int,
    protocol: str,
    expect: str,
) -> None:
    """Whatever of the body is still on its way when the edge has decided."""
    body = tmp_path / "body"
    body.write_bytes(bytes(size))
    authorization = f"Authorization: Bearer {closed_stack.keys[key]}" if key else "Authorization:"
    headers = ("--header", authorization, "--header", f"Expect: {expect}".strip())
    sent = (protocol, *headers, "--data-binary", f"@{body}", "--write-out", "\n%{http_code}")

    def refuse(_: int) -> tuple[str, object]:
        answer, code = curl(closed_stack, path, *sent).rsplit("\n", 1)
        error = json.loads(answer)
        assert error.keys() == {"code", "type", "message", "request_id"}, error
        return code, error["code"]

    with ThreadPoolExecutor(CLIENTS) as clients:
        assert list(clients.map(refuse, range(tries))) == [(str(status), status)] * tries


def test_who_is_too_fast_is_told_to_wait_and_nobody_else(closed_stack: ClosedStack) -> None:
    """The limit is compose.prod.yaml's own, 1,000 a second; questions that the edge itself answers reach it quickly."""
    hurried, other = closed_stack.keys["hurried"], closed_stack.keys["predicting"]
    refused: list[str] = wait_until("the limit", lambda: flood(closed_stack, hurried), DEADLINE_S, pause_s=0)
    assert closed_stack.ask("GET", "/models", other).status_code == 200
    assert "retry-after: 1" in refused[0].lower(), refused[0]
    assert all(answer.startswith(("HTTP/1.1 429", "HTTP/1.1 404")) for answer in refused)
    wait_until("the limit is over", lambda: closed_stack.ask("GET", "/models", hurried).ok, DEADLINE_S)


def flood(closed_stack: ClosedStack, key: str) -> list[str]:
    """The heads of the refusals among this many pipelined requests."""
    request = f"HEAD /nothing HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    with closed_stack.connect() as connection:
        connection.sendall(request * FLOOD)
        received = b""
        while received.count(b"\r\n\r\n") < FLOOD:
            chunk = connection.recv(1 << 16)
            assert chunk, received[-300:]
            received += chunk
    heads = received.decode("latin-1").split("\r\n\r\n")
    return [head for head in heads if head.startswith("HTTP/1.1 429")]


def test_nothing_but_the_edge_is_published(closed_stack: ClosedStack) -> None:
    stack = closed_stack.stack
    published = {service: set(stack.container(service).attrs["HostConfig"]["PortBindings"]) for service in SERVING}
    assert published == {"torchserve": set(), "edge": {"8000/tcp"}}
    ports = stack.ports
    for port in (ports.inference, ports.management, ports.metrics, ports.grpc_inference, ports.grpc_management):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_the_command_line_needs_no_key(closed_stack: ClosedStack, seven: Path) -> None:
    shown = closed_stack.do("status")
    assert "READY" in shown
    assert f"https://localhost:{closed_stack.stack.ports.edge}" in shown
    assert str(closed_stack.stack.ports.inference) not in shown
    assert closed_stack.do("predict", "mnist", str(seven)) == "7\n"
    assert closed_stack.do("predict", "mnist", str(seven), "--version", "1.0") == "7\n"
    refused = closed_stack.command("predict", "none", str(seven))
    assert refused.returncode == 1
    assert "FAIL: expected an answer of none\n      found HTTP 404" in refused.stdout


def test_an_edge_without_its_files_says_what_to_do(closed_stack: ClosedStack, tmp_path: Path) -> None:
    stack = replace(closed_stack.stack, variables={"EDGE_SECRETS": str(tmp_path)})
    ended = run_command(stack.compose_command("run", "--rm", "--no-TTY", "--no-deps", "edge"), stack.environment())
    assert ended.returncode == 1, ended.stdout
    assert "FAIL: expected a file of API keys" in ended.stdout
    assert "try `scripts/stack key add NAME`" in ended.stdout


def log_entries(stack: Deployment) -> list[dict[str, object]]:
    lines = stack.logs("edge").splitlines()
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if "message" not in entry]


def test_the_access_log_is_json_with_the_documented_fields(closed_stack: ClosedStack, seven: Path) -> None:
    asked = {"X-Request-Id": "logged-4711"}
    key, picture = closed_stack.keys["predicting"], seven.read_bytes()
    assert closed_stack.ask("POST", "/predictions/mnist?query=1", key, picture, **asked).text == "7"
    with closed_stack.connect() as connection:
        connection.sendall(f"GET {HOSTILE_PATH} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 401")

    def logged() -> list[dict[str, object]]:
        return [entry for entry in log_entries(closed_stack.stack) if entry.get("request_id") == "logged-4711"]

    (entry,) = wait_until("the request is logged", logged, DEADLINE_S)
    assert list(entry) == list(LOG_FIELDS)
    assert (entry["key"], entry["method"], entry["path"]) == ("predicting", "POST", "/predictions/mnist")
    assert (entry["model"], entry["version"], entry["status"], entry["end"]) == ("mnist", "1.0", 200, "--")
    datetime.fromisoformat(str(entry["time"]).replace("Z", "+00:00"))
    assert float(str(entry["us"])) > 0
    for entry in log_entries(closed_stack.stack):
        assert list(entry) in (list(LOG_FIELDS), ["time", "client", "error", "tls"]), entry
    assert any(entry.get("path") == HOSTILE_PATH for entry in log_entries(closed_stack.stack))


def test_no_log_holds_a_key_or_a_body(closed_stack: ClosedStack) -> None:
    keys = closed_stack.keys
    for body in (MARKER, json.dumps({"data": MARKER}), f"data={MARKER}"):
        for key in (*keys.values(), WRONG_KEY, None):
            closed_stack.ask("POST", "/predictions/mnist", key, body.encode())
    closed_stack.ask("POST", "/predictions/mnist", keys["predicting"], MARKER.encode(), **{"X-Request-Id": "the-last"})
    stack = closed_stack.stack
    wait_until("the last is logged", lambda: "the-last" in stack.logs("edge"), DEADLINE_S)
    for container in stack.containers():
        log = container.logs()
        assert isinstance(log, bytes)
        assert log
        for secret in (*keys.values(), WRONG_KEY, MARKER):
            assert secret.encode() not in log, f"{secret} in the log of {container.name}"
