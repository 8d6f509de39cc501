"""kubernetes/: pods, services, disruption budgets and autoscalers refer to each other correctly."""

import copy
import re
from collections.abc import Iterator
from typing import Any

from checks.kubernetes_objects import (
    asked_by_the_edge,
    container_of,
    deployments,
    every_overlay,
    labels_of,
    named,
    objects,
    of_kind,
    pod_of,
    probes_of,
    selected,
)
from stackcli.common.paths import ROOT

DOCS = (ROOT / "docs/guides/kubernetes.md").read_text()


@every_overlay
def test_every_selector_finds_exactly_its_own_pods(folder: str) -> None:
    found = objects(folder)
    pods = {each["metadata"]["name"]: labels_of(each) for each in of_kind(found, "Deployment")}
    for each in of_kind(found, "Deployment", "Service", "PodDisruptionBudget"):
        selector = each["spec"]["selector"]
        matches = [name for name, labels in pods.items() if selected(selector.get("matchLabels", selector), labels)]
        assert matches == [each["metadata"]["name"].removesuffix("-metrics")], each["metadata"]["name"]
    for deployment in of_kind(found, "Deployment"):
        for spread in pod_of(deployment)["topologySpreadConstraints"]:
            assert selected(spread["labelSelector"]["matchLabels"], labels_of(deployment))


@every_overlay
def test_every_port_that_is_named_is_one_of_the_container(folder: str) -> None:
    found = objects(folder)
    ports = {each["metadata"]["name"]: container_of(each)["ports"] for each in of_kind(found, "Deployment")}
    for deployment in of_kind(found, "Deployment"):
        names = {port["name"] for port in ports[deployment["metadata"]["name"]]}
        assert {probe["httpGet"]["port"] for probe in probes_of(container_of(deployment)).values()} <= names
    for service in of_kind(found, "Service"):
        names = {port["name"] for port in ports[service["metadata"]["name"].removesuffix("-metrics")]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    numbers = {port["containerPort"] for port in ports["torchserve"]}
    assert asked_by_the_edge() <= numbers


@every_overlay
def test_the_edge_finds_every_pod_of_torchserve_by_its_whole_name(folder: str) -> None:
    """A service with a cluster IP would look like one TorchServe to HAProxy, and its name is not completed."""
    found = objects(folder)
    service = named(found, "Service", "torchserve")
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    (value,) = [
        one["value"]
        for one in container_of(named(found, "Deployment", "edge"))["env"]
        if one["name"] == "EDGE_TORCHSERVE"
    ]
    assert value == f"{service['metadata']['name']}.$(NAMESPACE).svc.cluster.local"


@every_overlay
def test_the_autoscaler_stays_within_what_an_edge_routes_to(folder: str) -> None:
    found = objects(folder)
    (scaler,) = of_kind(found, "HorizontalPodAutoscaler")
    target = named(found, scaler["spec"]["scaleTargetRef"]["kind"], scaler["spec"]["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"], "every `kubectl apply` would undo what the autoscaler decided"
    (source,) = container_of(named(found, "Deployment", "edge"))["envFrom"]
    places = named(found, "ConfigMap", source["configMapRef"]["name"])["data"]["EDGE_MOST_REPLICAS"]
    surge = target["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    assert scaler["spec"]["maxReplicas"] + surge <= int(places)


@every_overlay
def test_neither_an_update_nor_a_drained_node_leaves_nobody(folder: str) -> None:
    found = objects(folder)
    least = {each["metadata"]["name"]: each["spec"].get("replicas") for each in of_kind(found, "Deployment")}
    (scaler,) = of_kind(found, "HorizontalPodAutoscaler")
    least[scaler["spec"]["scaleTargetRef"]["name"]] = scaler["spec"]["minReplicas"]
    for deployment in of_kind(found, "Deployment"):
        name = deployment["metadata"]["name"]
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert named(found, "PodDisruptionBudget", name)["spec"]["maxUnavailable"] < least[name]


def test_being_ready_is_asked_of_the_models_and_being_alive_is_not() -> None:
    found = objects("base")
    paths = {
        each["metadata"]["name"]: [probe["httpGet"]["path"] for probe in probes_of(container_of(each)).values()]
        for each in of_kind(found, "Deployment")
    }
    assert paths == {"torchserve": ["/ready", "/ready", "/ping"], "edge": ["/alive", "/health", "/alive"]}
    for deployment in of_kind(found, "Deployment"):
        alive = container_of(deployment)["livenessProbe"]
        assert alive["periodSeconds"] * alive["failureThreshold"] >= 60, "a busy server is not a dead one"


@every_overlay
def test_every_reference_is_to_something_that_is_there_or_that_the_page_says_how_to_make(folder: str) -> None:
    found = objects(folder)
    made = {each["metadata"]["name"] for each in of_kind(found, "ConfigMap")}
    needed = set(references(deployments(folder))) - made
    assert not [name for name in needed if not re.search(rf"kubectl create \S+( \S+)? {name}\b", DOCS)]


def references(content: Any) -> Iterator[str]:
    """Returns the names of ConfigMaps and Secrets, wherever they are used."""
    if isinstance(content, list):
        for each in content:
            yield from references(each)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key in ("configMapRef", "configMapKeyRef", "configMap", "secretRef", "secretKeyRef"):
                yield value["name"]
            elif key == "secret":
                yield value.get("name") or value["secretName"]
            else:
                yield from references(value)


@every_overlay
def test_the_images_are_the_baked_ones_and_of_one_bake(folder: str) -> None:
    images = {each["metadata"]["name"]: container_of(each)["image"] for each in deployments(folder)}
    if folder == "base":
        assert images == {name: f"torchserve-stack/baked/{name}" for name in images}
        return
    found = {
        name: re.fullmatch(rf"(\S+)/{name}:([0-9a-f]{{12}}-[0-9a-f]{{8}})", image) for name, image in images.items()
    }
    assert len({match.groups() if match else name for name, match in found.items()}) == 1, images


def test_a_gpu_is_what_a_pod_is_limited_to() -> None:
    """A pod that only requests a GPU, without a limit, is invalid."""
    closed, gpu = (named(objects(f"overlays/{name}"), "Deployment", "torchserve") for name in ("production", "gpu"))
    expected = copy.deepcopy(closed)
    container_of(expected)["resources"]["limits"]["nvidia.com/gpu"] = 1
    pod_of(expected)["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert gpu == expected
