"""What is checked before anything is changed, each check with what it found and what to do."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import docker
from docker.errors import DockerException

from stackcli import console
from stackcli.base_image import BaseChoice, find_base_image, has_image, why_unreachable
from stackcli.certificates import days_left, read_pair, time_problem
from stackcli.edge_secrets import CERTIFICATE, EDGE_ID, KEYS, PRIVATE_KEY, secrets_folder
from stackcli.engine import Engine, connect, describe, find_engine
from stackcli.errors import StackError
from stackcli.keys import read_keys
from stackcli.paths import ROOT
from stackcli.settings import NO_KEY, Settings

BUILD_GIB = 15  # free disk that base image, both others and the build cache take
RUN_GIB = 1
MEMORY_GIB = 4
EXPIRY_DAYS = 30  # a certificate that ends sooner is worth a warning
GIB = 1024**3
SERVING_ID = 1000  # user and group of docker/torchserve; the builder runs as STACK_UID

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    verdict: Verdict
    found: str
    expected: str = ""
    remedy: str = ""

    def error(self) -> StackError:
        return StackError(self.expected, self.found, self.remedy)


def show(check: Check) -> None:
    if check.verdict == "ok":
        console.done(f"{check.name}: {check.found}")
    elif check.verdict == "warning":
        console.warn(f"{check.name}: expected {check.expected}, found {check.found}; try {check.remedy}")
    else:
        console.refuse(f"{check.name}: {check.error()}")


def run_preflight(client: docker.DockerClient | None, settings: Settings, base: BaseChoice, yes: bool) -> list[Check]:
    """`client`: None while no engine answers; `yes`: a missing engine will be installed."""
    images_here = client is not None and all(
        has_image(client, image) for image in (settings.image, settings.builder_image, settings.edge_image)
    )
    return [
        check_engine(find_engine(), yes),
        check_disk(client, images_here),
        check_memory(memory_gib()),
        check_ports(client, settings),
        check_replicas(settings),
        check_base(client, settings, base),
        check_keys(settings),
        *check_edge(settings),
    ]


def check_engine(engine: Engine, yes: bool) -> Check:
    found = describe(engine)
    if engine.is_usable:
        return Check("engine", "ok", found)
    expected = "a running Docker Engine 23+ with Compose 2.20+ and Buildx"
    if engine.is_refused:
        remedy = "`sudo usermod -aG docker $USER` and a new login, or sudo"
        return Check("engine", "failed", f"no permission ({engine.error})", expected, remedy)
    if yes and os.geteuid() == 0:
        return Check("engine", "ok", f"{found}; will be {'installed' if engine.needs_install else 'started'}")
    sudo = "" if os.geteuid() == 0 else "sudo "
    action = "installs it from the distribution's packages" if engine.needs_install else "starts it"
    return Check("engine", "failed", found, expected, f"`{sudo}scripts/stack up --yes`, which {action}")


def check_disk(client: docker.DockerClient | None, images_here: bool) -> Check:
    folder = Path(str(client.info()["DockerRootDir"])) if client else Path("/var/lib")
    while not folder.exists():
        folder = folder.parent
    return judge_disk(shutil.disk_usage(folder).free / GIB, str(folder), images_here)


def judge_disk(free: float, folder: str, images_here: bool) -> Check:
    """`free`: GiB."""
    needed = RUN_GIB if images_here else BUILD_GIB
    found = f"{free:.0f} GiB free in {folder}"
    if free >= needed:
        return Check("disk", "ok", found)
    remedy = "freeing space (`docker system df` shows what Docker holds)"
    return Check("disk", "failed", found, f"{needed} GiB free", remedy)


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def check_memory(total: float) -> Check:
    """`total`: GiB."""
    found = f"{total:.1f} GiB"
    if total >= MEMORY_GIB:
        return Check("memory", "ok", found)
    return Check("memory", "warning", found, f"{MEMORY_GIB} GiB", "fewer models, or TORCHSERVE_WORKERS=1 in .env")


def is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def port_holders(client: docker.DockerClient | None) -> dict[int, tuple[str, str]]:
    """Published port → compose project and name of the container that holds it."""
    held: dict[int, tuple[str, str]] = {}
    for container in client.containers.list() if client else []:
        for bindings in (container.attrs["NetworkSettings"]["Ports"] or {}).values():
            for binding in bindings or []:
                project = container.labels.get("com.docker.compose.project", "")
                held[int(binding["HostPort"])] = (project, str(container.name))
    return held


def check_ports(client: docker.DockerClient | None, settings: Settings) -> Check:
    taken = {name: port for name, port in settings.ports.items() if is_taken(settings.bind_address, port)}
    return judge_ports(settings, taken, port_holders(client) if taken else {})


def judge_ports(settings: Settings, taken: dict[str, int], held: dict[int, tuple[str, str]]) -> Check:
    """`taken`: ports something listens on, by variable; `held`: those of containers → (project, container)."""
    for name, port in taken.items():
        project, container = held.get(port, ("", ""))
        if project != settings.compose_project_name:
            holder = f"container {container}" if container else "another program"
            stop = f"`docker stop {container}`" if container else f"`ss -ltnp 'sport = :{port}'` to see which"
            return Check(
                "ports", "failed", f"port {port} held by {holder}", "free ports", f"{stop}, or another {name} in .env"
            )
    numbers = ", ".join(str(port) for port in settings.ports.values())
    return Check("ports", "ok", f"{numbers} {'held by this stack' if taken else 'free'}")


def check_replicas(settings: Settings) -> Check:
    found = f"{settings.torchserve_replicas} TorchServe{'' if settings.torchserve_replicas == 1 else 's'}"
    if settings.torchserve_replicas == 1 or settings.is_scalable:
        return Check("replicas", "ok", found)
    expected = "compose.scale.yaml in COMPOSE_FILE: several cannot be published on one port"
    remedy = "COMPOSE_FILE=compose.yaml:compose.scale.yaml in .env, or TORCHSERVE_REPLICAS=1"
    return Check("replicas", "failed", found, expected, remedy)


def check_base(client: docker.DockerClient | None, settings: Settings, base: BaseChoice) -> Check:
    if client is None:
        return Check("registry", "ok", "asked as soon as the engine runs")
    present = find_base_image(client, settings, base)
    if present:
        return Check("registry", "ok", f"not needed, base image {present} is here")
    if base == "official-alike":
        return Check("registry", "ok", "not needed, the base image is built from docker/base")
    problem = why_unreachable(client, settings.torchserve_image)
    found = (
        f"{settings.torchserve_image} not reachable ({problem}); docker/base will be built" if problem else "reachable"
    )
    return Check("registry", "ok", found)


def check_keys(settings: Settings) -> Check:
    """The containers read the files where they lie, as users of their own: nobody copies a private key."""
    readers = (
        ("STACK_SIGNING_KEY", settings.stack_signing_key, "PRIVATE KEY", (settings.stack_uid, settings.stack_gid)),
        ("STACK_VERIFY_KEY", settings.stack_verify_key, "PUBLIC KEY", (SERVING_ID, SERVING_ID)),
    )
    for variable, name, kind, ids in readers:
        problem = None if name == NO_KEY else judge_key(ROOT / name, variable, kind, *ids)
        if problem:
            return problem
    return Check("signatures", "ok", settings.signatures)


def judge_key(file: Path, variable: str, kind: str, uid: int, gid: int) -> Check | None:
    """Why a container that runs as `uid`:`gid` could not use the file as its `kind` of key; None where it can."""
    expected = f"a file that holds a {kind} in {variable}"
    try:
        content, status = file.read_bytes(), file.stat()
    except OSError as error:
        found = f"{file}: {error.strerror}"
        return Check("signatures", "failed", found, expected, f"`ls -l {file}`, or docs/PROVENANCE.md to make a pair")
    if f"-----BEGIN {kind}-----".encode() not in content:
        remedy = "the private key to sign with, the public one to verify with"
        return Check("signatures", "failed", f"another content in {file}", expected, remedy)
    bit = 0o400 if status.st_uid == uid else 0o040 if status.st_gid == gid else 0o004
    if not status.st_mode & bit:
        found = f"{file}, which user {uid} may not read (mode {status.st_mode & 0o777:o}, owner {status.st_uid})"
        remedy = f"`chown {uid} {file}`" if kind == "PRIVATE KEY" else f"`chmod a+r {file}`: it is public"
        return Check("signatures", "failed", found, f"a {kind} that its container may read", remedy)
    if kind == "PRIVATE KEY" and status.st_mode & 0o077:
        found = f"{file} with mode {status.st_mode & 0o777:o}"
        return Check(
            "signatures", "warning", found, "a private key that only its owner may read", f"`chmod 600 {file}`"
        )
    return None


def check_edge(settings: Settings) -> list[Check]:
    """What the edge needs where compose.prod.yaml closes the stack; nothing otherwise."""
    return [check_certificate(settings), check_api_keys(settings)] if settings.is_closed else []


def check_certificate(settings: Settings) -> Check:
    """Also as clients would: one whose time has run out, or soon will."""
    folder = secrets_folder(settings)
    make, renew = "`scripts/stack certs`", "`scripts/stack certs --force`"
    files = folder / CERTIFICATE, folder / PRIVATE_KEY
    for file in files:
        if problem := edge_read_problem(file):
            return Check("certificate", "failed", problem, "a certificate and its private key for the edge", make)
    try:
        pair = read_pair(*files)
    except StackError as error:
        return Check("certificate", "failed", error.found, error.expected, renew)
    if problem := time_problem(pair.certificate):
        return Check("certificate", "failed", problem, "a certificate that is valid today", renew)
    found = f"{', '.join(pair.hosts)}, until {pair.ends:%Y-%m-%d}"
    if days_left(pair.certificate) < EXPIRY_DAYS:
        return Check("certificate", "warning", found, f"a certificate for {EXPIRY_DAYS} days more", renew)
    return Check("certificate", "ok", found)


def check_api_keys(settings: Settings) -> Check:
    file, remedy = secrets_folder(settings) / KEYS, "`scripts/stack key add NAME`"
    problem = edge_read_problem(file)
    if problem:
        return Check("API keys", "failed", problem, "an API key for clients", remedy)
    try:
        keys = read_keys(settings)
    except StackError as error:
        return Check("API keys", "failed", error.found, error.expected, error.remedy)
    if not keys:
        return Check("API keys", "failed", f"none in {file}", "an API key for clients", remedy)
    return Check("API keys", "ok", ", ".join(f"{key.name} ({key.scope})" for key in keys))


def edge_read_problem(file: Path) -> str:
    """Why the edge cannot read the file; empty where it can."""
    try:
        status = file.stat()
    except OSError as error:
        return f"{file}: {error.strerror}"
    bit = 0o400 if status.st_uid == EDGE_ID else 0o040 if status.st_gid == EDGE_ID else 0o004
    if status.st_mode & bit:
        return ""
    return f"{file}, which user {EDGE_ID} may not read (mode {status.st_mode & 0o777:o}, owner {status.st_uid})"


def connect_if_running() -> docker.DockerClient | None:
    try:
        client = connect()
        client.ping()
    except (DockerException, StackError):
        return None
    return client
