"""One compose project as the tests see it: its URLs, containers and builder; knows nothing of what is asserted."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import requests
from docker.models.containers import Container

from integration.support.commands import COMMAND_LIMIT_S, run_command
from integration.support.polling import wait_until
from integration.support.ports import DEFAULT_PORTS, Ports
from integration.support.store import available_models
from integration.support.users import PROJECT_ROOT, cache_volume, users_tag
from stackcli.project.log_lines import readable

HEALTHY_DEADLINE_S = 180
STOPPED_DEADLINE_S = 60
CLOSED = PROJECT_ROOT / "compose.prod.yaml"
SERVING = ("torchserve", "edge")

docker_engine = docker.from_env()


def new_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy of the host must not stand between a test and 127.0.0.1
    return session


session = new_session()
live_deployments: dict[str, "Deployment"] = {}


@dataclass(frozen=True)
class Observation:
    """Docker's health at one moment and the models that had no READY worker just after it."""

    health: str
    unready: list[str]


@dataclass
class Deployment:
    project: str
    model_store: Path
    model_src: Path
    ports: Ports
    compose_files: tuple[Path, ...] = (PROJECT_ROOT / "compose.yaml",)
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        live_deployments[self.project] = self

    @property
    def inference(self) -> str:
        return f"http://127.0.0.1:{self.ports.inference}"

    @property
    def edge(self) -> str:
        """Returns the edge's URL; with compose.prod.yaml it accepts only TLS, and requires a key."""
        return f"{'https' if CLOSED in self.compose_files else 'http'}://127.0.0.1:{self.ports.edge}"

    @property
    def direct(self) -> str:
        """Returns the URL at the container's own address: a published port accepts what the server refuses."""
        return "http://{}:{}".format(*self.direct_address)

    @property
    def direct_address(self) -> tuple[str, int]:
        return self.address_of("torchserve"), DEFAULT_PORTS[0]

    def address_of(self, service: str) -> str:
        networks = self.container(service).attrs["NetworkSettings"]["Networks"].values()
        addresses = [network["IPAddress"] for network in networks if network["IPAddress"]]
        assert addresses, f"{self.project}/{service} has no address: {self.state(service)['Status']}"
        return str(addresses[0])

    @property
    def management(self) -> str:
        return f"http://127.0.0.1:{self.ports.management}"

    @property
    def metrics(self) -> str:
        return f"http://127.0.0.1:{self.ports.metrics}/metrics"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.ports.variables(),
            "COMPOSE_PROJECT_NAME": self.project,
            "STACK_TAG": users_tag(),
            "MODEL_STORE": str(self.model_store),
            "MODEL_SRC": str(self.model_src),
            "TEST_CACHE_VOLUME": cache_volume(),
            **self.variables,
        }

    def compose_command(self, *arguments: str) -> list[str]:
        files = [option for file in self.compose_files for option in ("--file", str(file))]
        return ["docker", "compose", "--project-directory", str(PROJECT_ROOT), *files, *arguments]

    def compose(self, *arguments: str, limit_s: float = COMMAND_LIMIT_S) -> str:
        """Run docker compose on this project, fail loudly, return what it printed."""
        ended = run_command(self.compose_command(*arguments), self.environment(), limit_s)
        assert ended.returncode == 0, f"docker compose {' '.join(arguments)}: exit {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def start(self, *services: str) -> None:
        """Starts the named services, by default torchserve only."""
        self.compose("up", "--detach", "--no-deps", "--no-build", *(services or ("torchserve",)))

    def remove(self) -> None:
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "0")
        # `scripts/stack up` of a test's project makes its own cache volume, which compose_files may not name.
        for volume in docker_engine.volumes.list(filters={"label": f"com.docker.compose.project={self.project}"}):
            volume.remove()
        live_deployments.pop(self.project, None)

    def builder_command(self, *arguments: str, variables: Mapping[str, str] | None = None) -> list[str]:
        settings = [option for name, value in (variables or {}).items() for option in ("--env", f"{name}={value}")]
        return self.compose_command("run", "--rm", "--no-TTY", "--no-deps", *settings, "builder", *arguments)

    def run_builder(
        self, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the builder to its end; stdout holds its lines and its errors."""
        return run_command(self.builder_command(*arguments, variables=variables), self.environment(), COMMAND_LIMIT_S)

    def build_models(self, *arguments: str, variables: Mapping[str, str] | None = None) -> str:
        ended = self.run_builder(*arguments, variables=variables)
        assert ended.returncode == 0, f"builder {' '.join(arguments)}: exit {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def container(self, service: str = "torchserve") -> Container:
        found = self.containers(service)
        assert len(found) == 1, f"expected one container of {self.project}/{service}, found {found}"
        return found[0]

    def containers(self, service: str | None = None) -> list[Container]:
        labels = [f"com.docker.compose.project={self.project}"]
        if service:
            labels += [f"com.docker.compose.service={service}", "com.docker.compose.oneoff=False"]
        found: list[Container] = docker_engine.containers.list(all=True, filters={"label": labels})
        return found

    def state(self, service: str = "torchserve") -> dict[str, Any]:
        """Returns docker inspect's State of the service's container."""
        state: dict[str, Any] = self.container(service).attrs["State"]
        return state

    def health(self, service: str = "torchserve") -> str:
        status: str = self.state(service).get("Health", {}).get("Status", "none")
        return status

    def health_lines(self, service: str = "torchserve") -> str:
        """Returns what the last health checks printed."""
        return "".join(probe["Output"] for probe in self.state(service).get("Health", {}).get("Log", []))

    def logs(self, service: str = "torchserve") -> str:
        printed = self.container(service).logs()
        assert isinstance(printed, bytes)
        return printed.decode(errors="replace")

    def said(self, service: str = "torchserve") -> str:
        """Returns the log as `SOURCE: MESSAGE` lines."""
        return readable(self.logs(service))

    def execute(self, *command: str, service: str = "torchserve") -> str:
        ended = self.container(service).exec_run(list(command))
        assert isinstance(ended.output, bytes)
        text = ended.output.decode(errors="replace")
        assert ended.exit_code == 0, f"{' '.join(command)} in {self.project}: exit {ended.exit_code}\n{text}"
        return text

    def workers(self, name: str, version: str | None = None) -> list[dict[str, Any]]:
        """Returns the workers of a model (of its default version if none is given)."""
        path = f"{name}/{version}" if version else name
        workers: list[dict[str, Any]] = get_json(f"{self.management}/models/{path}")[0]["workers"]
        return workers

    def unready_models(self) -> list[str]:
        """Returns the models of the manifest without a worker or with a worker that is not READY."""
        unready = []
        for entry in available_models(self.model_store):
            states = [worker["status"] for worker in self.workers(entry["name"], entry["version"])]
            if not states or set(states) != {"READY"}:
                unready.append(f"{entry['name']} {entry['version']}: {states}")
        return unready

    def predict(self, model: str, body: bytes, timeout_s: float = 60) -> requests.Response:
        return session.post(f"{self.inference}/predictions/{model}", data=body, timeout=timeout_s)

    def wait_until_healthy(self, deadline_s: float = HEALTHY_DEADLINE_S) -> None:
        """Waits for every serving container: of torchserve, and of the edge if it was started."""
        wait_until(f"{self.project} is healthy", lambda: self._healthy_or_lines(), deadline_s)

    def start_and_watch(self, deadline_s: float = HEALTHY_DEADLINE_S) -> list[Observation]:
        """Start, and read docker's health and the management API together until it is green."""
        observations: list[Observation] = []

        def look() -> bool:
            observations.append(self._observe())
            return observations[-1].health == "healthy"

        self.start()
        wait_until(f"{self.project} is healthy", look, deadline_s)
        return observations

    def _observe(self) -> Observation:
        health = self.health()  # first: workers may become READY between the two reads, but not the other way round
        try:
            return Observation(health, self.unready_models())
        except (requests.RequestException, AssertionError) as error:
            return Observation(health, [str(error)])

    def _healthy_or_lines(self) -> bool:
        containers = [container for service in SERVING for container in self.containers(service)]
        assert containers, "no container"
        for container in containers:
            state = container.attrs["State"]
            health = state.get("Health", {"Status": "none", "Log": []})
            lines = "".join(probe["Output"] for probe in health["Log"])
            assert health["Status"] == "healthy", (
                f"{container.name}: {state['Status']}, {health['Status']}: {lines[-500:]}"
            )
        return True


def get_json(url: str) -> Any:
    answer = session.get(url, timeout=10)
    assert answer.status_code == 200, f"GET {url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()
