"""What is served, in one table: the manifest's word beside TorchServe's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import docker
from docker.models.containers import Container
from rich.markup import escape
from rich.table import Table

from stackcli import console
from stackcli.compose import Project
from stackcli.edge_secrets import CA, secrets_folder
from stackcli.errors import ConfigError, ServeError
from stackcli.inside import Described, read_models
from stackcli.models import Model, find_sample, read_manifest
from stackcli.paths import shown
from stackcli.preflight import check_edge
from stackcli.releases import Release, read_releases
from stackcli.serving import find_unwell, health_of
from stackcli.settings import Settings
from stackcli.tuned import Tuned, label_of, read_tuned


@dataclass(frozen=True)
class Serving:
    """`health`, `edge`: Docker's word for torchserve (of several: the worst) and the edge, each with its probe's line.

    `ports`: torchserve's published ones, as inside.
    """

    health: tuple[str, str]
    edge: tuple[str, str]
    models: list[tuple[Model, str]]  # each with its state
    tuned: Mapping[str, Tuned] = field(default_factory=dict)
    ports: frozenset[int] = frozenset()

    @property
    def is_healthy(self) -> bool:
        return self.health[0] == self.edge[0] == "healthy"

    @property
    def unavailable(self) -> list[Model]:
        return [model for model, _ in self.models if not model.is_available]


def state_of(model: Model, served: list[Described] | None, release: Release | None = None) -> str:
    """READY, how many of its workers are, UNAVAILABLE, NOT SERVED, or NO ANSWER where `served` is None.

    BUILT is what a `release` of its model leaves out.
    """
    if not model.is_available:
        return "UNAVAILABLE"
    if served is None:
        return "NO ANSWER"
    key = (model.name, model.version)
    found = next((one for one in served if (one["modelName"], one["modelVersion"]) == key), None)
    if found is None:
        return "BUILT" if release and model.version not in release.deployed else "NOT SERVED"
    workers = [worker["status"] for worker in found["workers"]]
    ready = workers.count("READY")
    return "READY" if workers and ready == len(workers) else f"{ready}/{len(workers)} READY"


def read_serving(client: docker.DockerClient, project: Project) -> Serving:
    name = project.settings.compose_project_name
    container, edge = find_unwell(client, name), find_unwell(client, name, "edge")
    health, edge_health = (health_of(found) if found else ("not running", "") for found in (container, edge))
    served = served_models(container)
    releases = known_releases(project.settings)
    models = [(m, state_of(m, served, releases.get(m.name))) for m in read_manifest(project.settings).models]
    return Serving(health, edge_health, models, tuned_models(project.settings), published_ports(container))


def served_models(container: Container | None) -> list[Described] | None:
    """None where nothing answers."""
    try:
        return read_models(container) if container else None
    except ServeError:
        return None


def published_ports(container: Container | None) -> frozenset[int]:
    """The container's ports that this machine can reach."""
    bound = container.attrs["NetworkSettings"]["Ports"] or {} if container else {}
    return frozenset(int(port.split("/")[0]) for port, bindings in bound.items() if bindings)


def tuned_models(settings: Settings) -> Mapping[str, Tuned]:
    """None where the file is damaged: the runtime serves without it too."""
    try:
        return read_tuned(settings)
    except ConfigError as error:
        console.warn(str(error))
        return {}


def known_releases(settings: Settings) -> Mapping[str, Release]:
    """None where the file is damaged: the runtime serves without it too."""
    try:
        return read_releases(settings)
    except ConfigError as error:
        console.warn(str(error))
        return {}


def show(serving: Serving, settings: Settings) -> None:
    for service, (health, line) in (("torchserve", serving.health), ("edge", serving.edge)):
        colour = "green" if health == "healthy" else "red"
        console.out.print(f"{service}: [{colour}]{health}[/{colour}]", escape(line))
    urls = Table.grid(padding=(0, 2))
    urls.add_row("playground", settings.url(settings.edge_port), "and the API of inference, by release")
    for name, inside, port in (
        ("inference", 8080, settings.inference_port),
        ("management", 8081, settings.management_port),
        ("metrics", 8082, settings.metrics_port),
    ):
        if inside in serving.ports:
            urls.add_row(name, settings.url(port))
    grpc = {7070: settings.grpc_inference_port, 7071: settings.grpc_management_port}
    published = [f":{port}" for inside, port in grpc.items() if inside in serving.ports]
    if published:
        urls.add_row("gRPC", settings.host + ", ".join(published))
    urls.add_row("signatures", settings.signatures)
    console.out.print(urls)
    for check in check_edge(settings):
        if check.verdict != "ok":
            console.warn(f"{check.name}: expected {check.expected}, found {check.found}; try {check.remedy}")
    console.out.print(models_table(serving))
    for model in serving.unavailable:
        console.warn(f"{model.name} {model.version} is unavailable: {model.reason}; try {model.remedy}")
    for model, _ in serving.models:
        if model.is_available and not model.trained:
            console.warn(f"{model.name} {model.version} is UNTRAINED: its answers mean nothing")


def models_table(serving: Serving) -> Table:
    table = Table("model", "version", "state", "accuracy", "note", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for model, state in serving.models:
        accuracy = f"{model.accuracy.top1:.2%} of {model.accuracy.images}" if model.accuracy else "-"
        colour = {"READY": "green", "BUILT": "blue", "UNAVAILABLE": "yellow"}.get(state, "red")
        notes = ["[red]UNTRAINED[/red]"] if model.is_available and not model.trained else []
        notes += ["candidate"] if model.candidate else []
        tuned = serving.tuned.get(label_of(model))
        notes += [escape(f"tuned for {tuned.goal}")] if tuned and model.is_available else []
        table.add_row(model.name, model.version, f"[{colour}]{state}[/{colour}]", accuracy, ", ".join(notes))
    return table


def example_command(serving: Serving, settings: Settings) -> str | None:
    """A request to try: a sample of the served model that is most often right, by the version that answers it."""
    served = [model for model, state in serving.models if state == "READY" and not model.candidate]
    served.sort(key=lambda model: model.accuracy.top1 if model.accuracy else 0, reverse=True)
    for model in served:
        file = find_sample(model, settings)
        if file is not None:
            request = f"predictions/{model.name} -T {shown(file)}"
            if not settings.is_closed:
                return f"curl {settings.url(settings.inference_port)}/{request}"
            authority = secrets_folder(settings) / CA
            trust = f"--cacert {shown(authority)} " if authority.is_file() else ""
            return f"curl {trust}-H 'Authorization: Bearer KEY' {settings.url(settings.edge_port)}/{request}"
    return None
