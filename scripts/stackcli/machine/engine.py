"""Finds the Docker Engine, installs it from the distribution's packages, and starts it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from stackcli.common import console
from stackcli.common.errors import EngineError, StackError
from stackcli.common.process import capture
from stackcli.machine.apt import apt, apt_knows, read_apt_sources, read_os_release
from stackcli.machine.install_plan import plan_install

MIN_ENGINE = (23, 0)
MIN_COMPOSE = (2, 20)
START_SECONDS = 60
DOCKERD_LOG = Path("/var/log/dockerd.log")


@dataclass(frozen=True)
class Engine:
    """The Docker programs on this machine; an empty version means that one is missing or does not answer."""

    server: str
    compose: str
    buildx: str
    dockerd: str
    error: str

    @property
    def is_running(self) -> bool:
        return bool(self.server)

    @property
    def is_usable(self) -> bool:
        return is_at_least(self.server, MIN_ENGINE) and is_at_least(self.compose, MIN_COMPOSE) and bool(self.buildx)

    @property
    def is_refused(self) -> bool:
        return "permission denied" in self.error.lower()

    @property
    def needs_install(self) -> bool:
        """Tells whether the engine or a plugin is missing; a CLI alone is not enough."""
        return not self.is_refused and not (
            (self.is_running or self.dockerd) and is_at_least(self.compose, MIN_COMPOSE) and self.buildx
        )


def is_at_least(version: str, minimum: tuple[int, int]) -> bool:
    match = re.match(r"v?(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= minimum


def find_engine() -> Engine:
    version = capture(["docker", "version", "--format", "{{json .Server}}"], 20)
    try:
        server = json.loads(version.stdout or "null") or {}
    except json.JSONDecodeError:
        server = {}
    return Engine(
        server=str(server.get("Version", "")),
        compose=capture(["docker", "compose", "version", "--short"]).stdout.strip(),
        buildx=next(iter(re.findall(r"v?\d+\.\d+\S*", capture(["docker", "buildx", "version"]).stdout)), ""),
        dockerd=shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or "",
        error=version.stderr.strip(),
    )


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def install_engine(has_engine: bool) -> None:
    """Installs the engine or its missing plugins; needs root, and Debian or Ubuntu. Raises EngineError."""
    apt(["apt-get", "update", "-q"])  # the plan needs the package lists, which a fresh machine lacks
    plan = plan_install(read_os_release(), read_apt_sources(), apt_knows, has_engine)
    for path, content in plan.files.items():
        console.say(f"writing {path}")
        Path(path).write_text(content)
    for command in plan.commands:
        console.say(" ".join(command))
        apt(command)


def start_engine() -> None:
    """Starts docker.service or, without systemd, a detached dockerd; waits for its socket. Needs root."""
    if has_systemd():
        console.say("systemctl enable --now docker")
        started = capture(["systemctl", "enable", "--now", "docker"], 120)
        if started.returncode != 0:
            raise EngineError("docker.service to start", started.stderr.strip(), "`journalctl -u docker -n 50`")
        wait_for_socket(None)
    else:
        console.say(f"dockerd, detached, logging to {DOCKERD_LOG}")
        dockerd = find_engine().dockerd or "dockerd"
        with DOCKERD_LOG.open("ab") as log:
            wait_for_socket(
                subprocess.Popen(
                    [dockerd], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
                )
            )


def wait_for_socket(dockerd: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and (dockerd is None or dockerd.poll() is None):
        if find_engine().is_running:
            return
        time.sleep(0.5)
    last = DOCKERD_LOG.read_text(errors="replace").splitlines()[-1:] if dockerd else []
    raise EngineError(
        f"the Docker Engine to answer within {START_SECONDS} s",
        last[0] if last else "no answer",
        f"reading {DOCKERD_LOG}" if dockerd else "`journalctl -u docker -n 50`",
    )


def ensure_engine(yes: bool) -> None:
    """Installs and starts what is missing if `yes`; otherwise raises EngineError with the command to run."""
    engine = find_engine()
    if engine.is_usable:
        return
    if engine.is_refused:
        raise EngineError(
            "access to the Docker Engine", engine.error, "`sudo usermod -aG docker $USER` and a new login, or sudo"
        )
    what = "install and start the Docker Engine" if engine.needs_install else "start the Docker Engine"
    if not yes or os.geteuid() != 0:
        command = "scripts/stack up --yes" if os.geteuid() == 0 else "sudo scripts/stack up --yes"
        raise EngineError("a running Docker Engine with Compose", describe(engine), f"`{command}` to {what}")
    console.phase(f"{what[0].upper()}{what[1:]} (changes this machine)…")
    if engine.needs_install:
        install_engine(engine.is_running or bool(engine.dockerd))
    if not find_engine().is_running:
        start_engine()
    engine = find_engine()
    if not engine.is_usable:
        raise EngineError(
            f"Engine {MIN_ENGINE[0]}+ with Compose {'.'.join(map(str, MIN_COMPOSE))}+",
            describe(engine),
            "upgrading Docker",
        )
    console.done(describe(engine))


def describe(engine: Engine) -> str:
    if not engine.dockerd and not engine.is_running:
        return "no Docker Engine"
    return (
        f"Docker Engine {engine.server or '(not running)'}, "
        f"Compose {engine.compose or '(no plugin)'}, Buildx {engine.buildx or '(no plugin)'}"
    )


def connect() -> docker.DockerClient:
    """Returns a client for the engine that the docker command line uses. Raises EngineError."""
    host = host_of_context()
    try:
        if not host.startswith("unix://"):
            return docker.from_env(timeout=120)
        return docker.DockerClient(base_url=host, timeout=120)
    except DockerException as error:
        raise EngineError("a running Docker Engine", str(error), "`scripts/stack up --yes`") from None


def host_of_context() -> str:
    """Returns the engine address of the current context; empty for the default one, or if DOCKER_HOST is set."""
    if "DOCKER_HOST" in os.environ:
        return ""
    config = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"
    try:
        chosen = json.loads(config.read_text()).get("currentContext") if config.is_file() else ""
    except (OSError, ValueError, AttributeError):
        chosen = ""
    if (os.environ.get("DOCKER_CONTEXT") or chosen or "default") == "default":
        return ""
    return capture(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).stdout.strip()


def connect_if_running() -> docker.DockerClient | None:
    try:
        client = connect()
        client.ping()
    except (DockerException, StackError):
        return None
    return client
