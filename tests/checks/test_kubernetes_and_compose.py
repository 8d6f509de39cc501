"""kubernetes/ agrees with compose.yaml, compose.prod.yaml, docker/prometheus and config.properties."""

import functools
import re
from typing import Any

import pytest
import yaml

from checks.compose_files import render
from checks.kubernetes_objects import (
    FOLDER,
    Object,
    container_of,
    deployments,
    every_overlay,
    named,
    objects,
    of_kind,
    pod_of,
    selected,
)
from stackcli.common.paths import ROOT

pytestmark = pytest.mark.docker

UNITS = {"Gi": 1 << 30, "Mi": 1 << 20, "g": 1 << 30, "m": 1 << 20}
# Of a pod alone: what the edge asks DNS for. It is a key: from a secret.
OF_A_CLUSTER, SECRET = {"NAMESPACE", "EDGE_TORCHSERVE"}, "OTEL_EXPORTER_OTLP_HEADERS"


@functools.cache
def compose(*files: str) -> Any:
    """Compose's services, with every variable's default."""
    return yaml.safe_load(render(files))["services"]


def in_bytes(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def environment_of(found: list[Object], name: str) -> dict[str, Any]:
    """Returns the environment of a Deployment's container; None for values from elsewhere."""
    container = container_of(named(found, "Deployment", name))
    (source,) = container["envFrom"]
    settings = named(found, "ConfigMap", source["configMapRef"]["name"])["data"]
    return {**settings, **{one["name"]: one.get("value") for one in container["env"]}}


@pytest.mark.parametrize("name", ["torchserve", "edge"])
def test_the_settings_are_those_of_compose_yaml_with_their_defaults(name: str) -> None:
    found = environment_of(objects("base"), name)
    ours = {variable: value for variable, value in found.items() if variable not in OF_A_CLUSTER}
    assert ours == {**compose("compose.yaml")[name]["environment"], SECRET: None}


def test_the_closed_edge_is_that_of_compose_prod_yaml() -> None:
    found = objects("overlays/production")
    closed = compose("compose.yaml", "compose.prod.yaml")["edge"]
    ours = {name: value for name, value in environment_of(found, "edge").items() if name not in OF_A_CLUSTER}
    assert ours == {**closed["environment"], SECRET: None}
    (mount,) = [m for m in container_of(named(found, "Deployment", "edge"))["volumeMounts"] if m["name"] == "secrets"]
    assert mount["mountPath"] in [volume["target"] for volume in closed["volumes"]]


@every_overlay
def test_a_stop_has_time_for_its_drain(folder: str) -> None:
    """It has as much as in compose.yaml plus the preStop delay, and grows with the drain."""
    for deployment in deployments(folder):
        container = container_of(deployment)
        theirs = compose("compose.yaml")[container["name"]]
        slept = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
        drain = int(environment_of(objects(folder), container["name"])["DRAIN_SECONDS"])
        without_drain = int(theirs["stop_grace_period"].removesuffix("s")) - int(theirs["environment"]["DRAIN_SECONDS"])
        assert pod_of(deployment)["terminationGracePeriodSeconds"] >= slept + drain + without_drain


@every_overlay
def test_the_volumes_in_memory_are_those_of_compose_yaml_and_every_volume_is_mounted(folder: str) -> None:
    for deployment in deployments(folder):
        container = container_of(deployment)
        volumes = {volume["name"]: volume for volume in pod_of(deployment)["volumes"]}
        assert volumes.keys() == {mount["name"] for mount in container["volumeMounts"]}
        in_memory = {
            mount["mountPath"]: in_bytes(volumes[mount["name"]]["emptyDir"]["sizeLimit"])
            for mount in container["volumeMounts"]
            if volumes[mount["name"]].get("emptyDir", {}).get("medium") == "Memory"
        }
        lines = [line.partition(":size=") for line in compose("compose.yaml")[container["name"]]["tmpfs"]]
        assert in_memory == {path: in_bytes(options.partition(",")[0]) for path, _, options in lines}


@every_overlay
def test_limits_are_such_as_the_entrypoint_sizes_to(folder: str) -> None:
    """CPUs are whole, requests equal limits, and memory is at least that of compose.yaml."""
    for deployment in deployments(folder):
        container = container_of(deployment)
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert limits["memory"] == requests["memory"]
        assert in_bytes(limits["memory"]) >= int(compose("compose.yaml")[container["name"]]["mem_limit"])
        if container["name"] == "torchserve":
            assert limits["cpu"] == requests["cpu"] == str(int(limits["cpu"]))


def test_prometheus_is_told_to_scrape_what_ours_scrapes_under_the_same_names() -> None:
    found = objects("overlays/production")
    ours = {}
    for monitor in of_kind(found, "ServiceMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"]
        (service,) = [each for each in of_kind(found, "Service") if selected(labels, each["metadata"]["labels"])]
        ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            assert endpoint.keys() <= {"port", "params", "relabelings"}
            (relabeling,) = endpoint["relabelings"]
            assert relabeling.keys() == {"targetLabel", "replacement"}
            assert relabeling["targetLabel"] == "job"
            ours[relabeling["replacement"]] = (ports[endpoint["port"]], endpoint.get("params"))
    jobs = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yaml").read_text())["scrape_configs"]
    assert ours == {job["job_name"]: (port_of(job), job.get("params")) for job in jobs if job["job_name"] in ours}
    assert ours.keys() == {"torchserve", "edge", "haproxy"}


def port_of(job: dict[str, Any]) -> int:
    """Returns the port that a job of prometheus.yaml scrapes."""
    if "dns_sd_configs" in job:
        return int(job["dns_sd_configs"][0]["port"])
    return int(job["static_configs"][0]["targets"][0].rpartition(":")[2])


def test_the_adapters_rule_makes_the_metric_that_the_autoscaler_asks_for() -> None:
    (scaler,) = of_kind(objects("overlays/production"), "HorizontalPodAutoscaler")
    cpu, queue = scaler["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    metric, target = queue["pods"]["metric"]["name"], queue["pods"]["target"]["averageValue"]
    (rule,) = yaml.safe_load((FOLDER / "components/queue-depth/prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{metric}{{")
    assert rule["resources"]["overrides"].keys() == {"namespace", "pod"}
    assert f"| `{metric}` | gauge |" in (ROOT / "docs/reference/metrics.md").read_text()
    (capacity,) = re.findall(r"^job_queue_size=(\d+)$", (ROOT / "config.properties").read_text(), re.MULTILINE)
    assert int(target) == int(capacity) // 10
