"""The objects of kubernetes/ are valid for Kubernetes, and closed; no cluster is needed."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from checks.kubernetes_api import api_server
from checks.kubernetes_objects import (
    ALL,
    COMPONENTS,
    FOLDER,
    OTHERS_KINDS,
    OVERLAYS,
    Object,
    asked_by_the_edge,
    container_of,
    deployments,
    every_overlay,
    kubectl,
    labels_of,
    lets_through,
    named,
    not_restricted,
    objects,
    of_kind,
    pod_of,
)
from stackcli.common.paths import ROOT

# It lists each once per kind of schema.
VERSIONS = list(dict.fromkeys(kubernetes_validate.utils.all_versions()))[-3:]


def validate(found: Object, version: str) -> None:
    kubernetes_validate.validate(found, version, strict=True)


def of_kubernetes(found: list[Object]) -> list[Object]:
    """Returns each object once, of the kinds that have a schema."""
    return [each for i, each in enumerate(found) if each["kind"] not in OTHERS_KINDS and each not in found[:i]]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid_for_the_last_three_versions_of_kubernetes(version: str) -> None:
    for found in of_kubernetes([each for folder in ALL for each in objects(folder)]):
        validate(found, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_no_version_knows_would_be_found(version: str) -> None:
    deployment = named(objects("base"), "Deployment", "edge")
    container_of(deployment)["readinesProbe"] = container_of(deployment).pop("readinessProbe")
    with pytest.raises(kubernetes_validate.ValidationError, match="readinesProbe"):
        validate(deployment, version)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with api_server() as url:
        yield url


@pytest.mark.parametrize("folder", [*ALL, "kserve"])
def test_kubectl_would_apply_every_object(server: str, folder: str, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    options = (f"--server={server}", "--dry-run=client", "--validate=false")
    printed = kubectl("apply", "-k", FOLDER / folder, *options, env=environment).splitlines()
    assert len(printed) == len(objects(folder))
    assert all(line.endswith(" created (dry run)") for line in printed)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_fits_the_base_alone(component: str, tmp_path: Path) -> None:
    paths = [os.path.relpath(FOLDER / name, tmp_path) for name in ("base", f"components/{component}")]
    (tmp_path / "kustomization.yaml").write_text(f"resources: [{paths[0]}]\ncomponents: [{paths[1]}]\n")
    found = list(yaml.safe_load_all(kubectl("kustomize", tmp_path)))
    changed = [each for each in found if each not in objects("base")]
    assert changed
    for each in of_kubernetes(changed):
        validate(each, VERSIONS[-1])
    assert [problem for each in of_kind(found, "Deployment") for problem in not_restricted(pod_of(each))] == []


@every_overlay
def test_every_pod_is_restricted_and_has_no_key_to_the_cluster(folder: str) -> None:
    for deployment in deployments(folder):
        pod = pod_of(deployment)
        assert list(not_restricted(pod)) == []
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)


@pytest.mark.parametrize(
    ("loosened", "found"),
    [
        ({"hostNetwork": True}, ["hostNetwork"]),
        ({"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, ["volume disk"]),
        ({"securityContext": {}}, ["runAsNonRoot", "seccompProfile"]),
        ({"containers": [{"name": "any"}]}, ["allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"]),
    ],
)
def test_a_pod_that_is_less_than_restricted_would_be_found(loosened: Object, found: list[str]) -> None:
    pod = pod_of(named(objects("base"), "Deployment", "edge"))
    assert list(not_restricted({**pod, **loosened})) == found


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_namespace_lets_in_restricted_pods_only(folder: str) -> None:
    found = objects(folder)
    (namespace,) = of_kind(found, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [each["metadata"]["namespace"] for each in found if each is not namespace]
    assert set(others) == {namespace["metadata"]["name"]}


@every_overlay
def test_the_network_lets_through_what_is_asked_and_nothing_else(folder: str) -> None:
    found = objects(folder)
    policies = of_kind(found, "NetworkPolicy")
    ours = {each["metadata"]["name"]: each for each in of_kind(found, "Deployment")}
    pods: dict[str, Object] = {name: {"namespace": None, "labels": labels_of(each)} for name, each in ours.items()}
    others: dict[str, Object] = {
        "prometheus": {"namespace": "monitoring", "labels": {}},
        "dns": {"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "neighbour": {"namespace": None, "labels": {}},
        "stranger": {"namespace": "elsewhere", "labels": {}},
    }
    ports = [53, 443, 7070, 7071, 8000, 8080, 8081, 8082, 8404, 8405]
    everybody = {**pods, **others}
    passes = {
        (source, target, port)
        for (source, target), port in itertools.product(itertools.permutations(everybody, 2), ports)
        if {source, target} & pods.keys() and lets_through(policies, everybody[source], everybody[target], port)
    }
    expected = {("edge", "torchserve", port) for port in asked_by_the_edge()} | {("edge", "dns", 53)}
    expected |= {(source, "edge", 8000) for source in others}
    if of_kind(found, "ServiceMonitor"):
        expected |= {("prometheus", "torchserve", 8082), ("prometheus", "edge", 8404), ("prometheus", "edge", 8405)}
    assert passes == expected
    assert lets_through(policies, pods["edge"], others["dns"], 53, "UDP")


def test_the_page_names_every_overlay_and_every_component() -> None:
    page = (ROOT / "docs/guides/kubernetes.md").read_text()
    assert not [name for name in [*OVERLAYS, *COMPONENTS] if f"`{name}`" not in page]
