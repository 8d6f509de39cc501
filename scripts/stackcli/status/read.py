"""Reads the stack's state: the manifest, what TorchServe says of each version, and the edge's metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import docker
from docker.models.containers import Container

from contract.served import Decision, State, Version
from contract.tuned import Tuned
from stackcli.access.checks import check_edge
from stackcli.access.folder import CA, secrets_folder
from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.common.paths import shown
from stackcli.project.compose import Project
from stackcli.project.containers import find_unwell, health_of, observer_urls
from stackcli.project.inside import ServedState, read_state
from stackcli.project.settings import Settings
from stackcli.status.metrics import Metrics, read_metrics
from stackcli.store.manifest import Model, find_sample, read_manifest
from stackcli.store.served import decide_served
from stackcli.store.tuned import read_tuned

Warn = Callable[[str], None]


@dataclass(frozen=True)
class Serving:
    """The stack's state. `health`, `edge`: health status and probe output of the worst torchserve and of the edge.

    `ports`: torchserve's published container ports. `metrics`: the metrics; None if not requested or not available.
    """

    health: tuple[str, str]
    edge: tuple[str, str]
    models: list[tuple[Model, str]]  # each with its state
    tuned: Mapping[str, Tuned] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()
    metrics: Metrics | None = None
    problems: tuple[str, ...] = ()  # with reading the state
    observers: Mapping[str, str] = field(default_factory=dict)  # running observability service → URL

    @property
    def is_healthy(self) -> bool:
        return self.health[0] == self.edge[0] == "healthy"

    def warnings(self, settings: Settings) -> list[str]:
        """Returns the warnings, each in one sentence; [] if there are none."""
        found = list(self.problems)
        for check in check_edge(settings):
            if check.verdict != "ok":
                found.append(f"{check.name}: expected {check.expected}, found {check.found}; try {check.remedy}")
        for model, _ in self.models:
            if model.is_available and not model.trained:
                found.append(f"{model.name} {model.version} is UNTRAINED: its answers mean nothing")
        return found


def state_of(version: Version, inside: ServedState | None) -> str:
    """Returns READY, how many workers are READY, NO ANSWER or, if it is not served, the contract's state in capitals.

    NOT SERVED means that TorchServe lacks a version that should be served, because it was built after the start.
    """
    if version.state is State.UNAVAILABLE:
        return "UNAVAILABLE"
    if inside is None:
        return "NO ANSWER"
    key = (version.name, version.version)
    found = next((one for one in inside.served if (one["modelName"], one["modelVersion"]) == key), None)
    if found is None:
        return "NOT SERVED" if version.state is State.SERVED else version.state.value.upper()
    workers = [worker["status"] for worker in found["workers"]]
    ready = workers.count("READY")
    return "READY" if workers and ready == len(workers) else f"{ready}/{len(workers)} READY"


def read_serving(client: docker.DockerClient, project: Project, with_metrics: bool = False) -> Serving:
    """Reads the state; `with_metrics`: with metrics, which take the edge some seconds unless it has recent ones."""
    name = project.settings.compose_project_name
    problems: list[str] = []
    container, edge = find_unwell(client, name), find_unwell(client, name, "edge")
    health, edge_health = (health_of(found) if found else ("not running", "") for found in (container, edge))
    # Each runs a program in its container, so they can run at the same time.
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(known_metrics, edge, problems.append) if with_metrics else None
        inside = inside_of(container)
        metrics = asked.result() if asked else None
    decision = decide_served(project.settings, inside.chosen if inside else ())
    problems += troubles(decision)
    models = read_manifest(project.settings).models
    return Serving(
        health,
        edge_health,
        [(model, state_of(version, inside)) for model, version in zip(models, decision.versions, strict=True)],
        tuned_models(project.settings, problems.append),
        published_ports(container),
        metrics,
        tuple(problems),
        observer_urls(client, project.settings),
    )


def known_metrics(edge: Container | None, warn: Warn) -> Metrics | None:
    """Reads the edge's metrics and warns about missing ones; returns None if the edge has none."""
    try:
        if edge is None:
            raise ServeError("metrics from the edge", "no running edge", "`scripts/stack up`")
        metrics = read_metrics(edge)
    except ServeError as error:
        warn(f"traffic, latencies and memory are not shown: {error}")
        return None
    silent = [server.instance for server in metrics.torchserve if server.memory_bytes is None]
    if silent or not metrics.torchserve:
        found = f"none from {', '.join(silent)}" if silent else "no TorchServe"
        warn(f"metrics are missing: expected those of each TorchServe, found {found}; try `scripts/stack doctor`")
    return metrics


def troubles(decision: Decision[Version]) -> list[str]:
    """Returns the releases' problems, and every version that should be served but cannot be, with the reason."""
    unserved = [version.said for version in decision.versions if version.state not in (State.SERVED, State.BUILT)]
    return [*map(str, decision.problems), *unserved]


def inside_of(container: Container | None) -> ServedState | None:
    """Reads the container's state; None if it does not answer."""
    try:
        return read_state(container) if container else None
    except ServeError:
        return None


def published_ports(container: Container | None) -> frozenset[int]:
    """Returns the container's published ports."""
    bound = container.attrs["NetworkSettings"]["Ports"] or {} if container else {}
    return frozenset(int(port.split("/")[0]) for port, bindings in bound.items() if bindings)


def tuned_models(settings: Settings, warn: Warn = console.warn) -> Mapping[str, Tuned]:
    """Reads tuned.json; warns and returns {} if it is damaged, because the runtime serves without it too."""
    try:
        return read_tuned(settings)
    except ConfigError as error:
        warn(str(error))
        return {}


def example_command(serving: Serving, settings: Settings) -> str | None:
    """Returns a curl command that sends a sample to the most accurate READY model; None if there is none."""
    served = [model for model, state in serving.models if state == "READY" and not model.candidate]
    served.sort(key=lambda model: model.accuracy.top1 if model.accuracy else 0, reverse=True)
    for model in served:
        file = find_sample(model, settings)
        if file is not None:
            request = f"predictions/{model.name} -T {shown(file)}"
            if not settings.is_closed:
                port = settings.ports.get("INFERENCE_PORT", settings.edge_port)
                return f"curl {settings.url(port)}/{request}"
            authority = secrets_folder(settings) / CA
            trust = f"--cacert {shown(authority)} " if authority.is_file() else ""
            return f"curl {trust}-H 'Authorization: Bearer KEY' {settings.url(settings.edge_port)}/{request}"
    return None
