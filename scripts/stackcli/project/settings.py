"""Reads the stack's variables from the environment and .env, with the defaults that .env.example documents."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stackcli.common.errors import ConfigError

FOREIGN = ("COMPOSE_", "DOCKER_", "BUILDKIT_", "BUILDX_")  # other programs' variables, allowed in .env
NO_KEY = "/dev/null"


Port = Annotated[int, Field(ge=1, le=65535)]
Id = Annotated[int, Field(ge=1)]
Cpus = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
Count = Annotated[str, Field(pattern=r"^\d*$")]  # empty: sized by the container
Share = Annotated[str, Field(pattern=r"^(0(\.\d+)?|1(\.0+)?)$")]  # 1.0 instead of 1 would recreate containers


class Settings(BaseModel):
    """The variables' values; the field names are the variables' names in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    compose_project_name: str = "torchserve-stack"
    compose_file: str = ""
    torchserve_image: str = "pytorch/torchserve:0.12.0-cpu"
    torch_index_url: str = "https://download.pytorch.org/whl/cpu"
    debian_image: str = "debian:bookworm-slim"
    stack_tag: str = ""
    bind_address: str = "127.0.0.1"
    edge_port: Port = 8000
    inference_port: Port = 8080
    management_port: Port = 8081
    metrics_port: Port = 8082
    grpc_inference_port: Port = 7070
    grpc_management_port: Port = 7071
    model_src: str = "./model_src"
    model_store: str = "./model_store"
    stack_uid: Id = 1000
    stack_gid: Id = 1000
    builder_memory: str = "6g"
    builder_cpus: Cpus = "0"
    torchserve_memory: str = "4g"
    torchserve_cpus: Cpus = "0"
    torchserve_workers: Count = ""
    torchserve_threads: Count = ""
    torchserve_replicas: Annotated[int, Field(ge=1)] = 1
    edge_memory: str = "1g"
    edge_rate: Count = ""
    edge_request_seconds: Annotated[int, Field(ge=1)] = 30
    access_log: Literal["", "all", "failures"] = ""
    otel_exporter_otlp_endpoint: str = ""
    otel_exporter_otlp_headers: str = ""
    otel_traces_sampler_arg: Share = "1"
    edge_threads: Count = ""
    edge_most_replicas: Annotated[int, Field(ge=1, le=256)] = 8
    edge_secrets: str = "./.stack/secrets/edge"
    drain_seconds: Annotated[int, Field(ge=0)] = 20
    swarm_manager: str = ""
    swarm_repository: str = ""
    swarm_replicas: Annotated[int, Field(ge=1)] = 3
    swarm_start_period: Annotated[str, Field(pattern=r"^\d+[sm]$")] = "120s"
    observability_address: str = "127.0.0.1"
    prometheus_port: Port = 9090
    alertmanager_port: Port = 9093
    grafana_port: Port = 3000
    grafana_image: str = "grafana/grafana:11.6.0"
    grafana_password_file: str = NO_KEY
    alertmanager_config: str = "./docker/prometheus/alertmanager.yaml"
    scrape_interval: Annotated[str, Field(pattern=r"^\d+[sm]$")] = "15s"
    retention_time: str = "30d"
    retention_size: str = "5GB"
    prometheus_memory: str = "1g"
    model_weights: str = ""
    archive_format: Literal["default", "zip-store", "tgz", "no-archive"] = "zip-store"
    strict: str = ""
    stack_signing_key: str = NO_KEY
    stack_verify_key: str = NO_KEY

    @model_validator(mode="before")
    @classmethod
    def tag_by_project(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Tags images by project, as compose.yaml does: two stacks on one machine never use each other's images."""
        project = values.get("compose_project_name", cls.model_fields["compose_project_name"].default)
        return {"stack_tag": project, **values}

    @property
    def overlays(self) -> set[str]:
        """Returns the names of the compose files."""
        return {Path(file).name for file in self.compose_file.split(":")}

    @property
    def is_closed(self) -> bool:
        """Tells whether compose.prod.yaml is used: only the edge is published, with TLS and API keys."""
        return "compose.prod.yaml" in self.overlays

    @property
    def is_scalable(self) -> bool:
        """Tells whether several TorchServes are allowed: then only the edge is published."""
        return self.is_closed or "compose.scale.yaml" in self.overlays

    @property
    def ports(self) -> dict[str, int]:
        """Returns the published ports, by variable."""
        if self.is_scalable:
            return {"EDGE_PORT": self.edge_port}
        return {
            name.upper(): port
            for name, port in self
            if name.endswith("_port") and name.removesuffix("_port") not in self.observer_ports
        }

    @property
    def observer_ports(self) -> dict[str, int]:
        """Returns the published ports of the profile `observability`, by service."""
        return {
            "prometheus": self.prometheus_port,
            "alertmanager": self.alertmanager_port,
            "grafana": self.grafana_port,
        }

    @property
    def signatures(self) -> str:
        """Says whether signatures are made and verified."""
        made = "not made" if self.stack_signing_key == NO_KEY else f"made with {self.stack_signing_key}"
        read = "not verified" if self.stack_verify_key == NO_KEY else f"verified with {self.stack_verify_key}"
        return f"{made}, {read}"

    @property
    def host(self) -> str:
        """Returns the address at which this machine reaches the published ports."""
        return "127.0.0.1" if self.bind_address in ("0.0.0.0", "::") else self.bind_address  # noqa: S104

    def url(self, port: int) -> str:
        scheme = "https" if self.is_closed else "http"
        return f"{scheme}://{'localhost' if self.host == '127.0.0.1' else self.host}:{port}"

    def image_of(self, service: str) -> str:
        """Returns the image of a service that is built here, such as torchserve, as compose.yaml names it."""
        return f"torchserve-stack/{service}:{self.stack_tag}"


def documented_variables(example: Path) -> dict[str, str]:
    """Returns variable → default from .env.example, including lines that are commented out."""
    lines = example.read_text().splitlines() if example.exists() else []
    found = (re.match(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}


def load_settings(root: Path, environ: Mapping[str, str]) -> Settings:
    """Loads the settings: the environment wins over `root`/.env, which wins over the defaults. Raises ConfigError.

    An empty value counts as unset, as in Compose.
    """
    from_file = {name: value or "" for name, value in dotenv_values(root / ".env").items()}
    known = documented_variables(root / ".env.example")
    for name in from_file:
        if name not in known and not name.startswith(FOREIGN):
            close = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                "a variable that .env.example documents in .env", name, close[0] if close else "removing that line"
            )
    values = {**from_file, **environ}
    own_ids = {} if os.geteuid() == 0 else {"stack_uid": os.getuid(), "stack_gid": os.getgid()}
    given = {name: values[name.upper()] for name in Settings.model_fields if values.get(name.upper())}
    try:
        return Settings.model_validate({**own_ids, **given})
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]).upper()
        raise ConfigError(
            f"a usable {name} ({problem['msg']})",
            repr(problem["input"]),
            f"correcting {name} in .env or the environment",
        ) from None


def with_weights(settings: Settings, weights: list[str]) -> Settings:
    """Adds `--weights MODEL=SPEC` options; a later one for the same model wins. Raises ConfigError."""
    chosen = dict(entry.split("=", 1) for entry in settings.model_weights.split() if "=" in entry)
    for entry in weights:
        model, _, spec = entry.partition("=")
        if not (model and spec):
            raise ConfigError("--weights MODEL=SPEC", entry, "for example --weights densenet161=random:0")
        chosen[model] = spec
    return settings.model_copy(update={"model_weights": " ".join(f"{model}={spec}" for model, spec in chosen.items())})
