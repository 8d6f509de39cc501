"""Renders the folders of kubernetes/ with kubectl, and answers questions about the resulting objects."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackcli.common.paths import ROOT

FOLDER = ROOT / "kubernetes"
EDGE = ROOT / "docker/edge"
OVERLAYS = sorted(file.parent.relative_to(FOLDER).as_posix() for file in FOLDER.glob("overlays/*/kustomization.yaml"))
ALL = ["base", *OVERLAYS]
COMPONENTS = sorted(file.parent.name for file in FOLDER.glob("components/*/kustomization.yaml"))

# Kinds whose schemas are not Kubernetes' own.
OTHERS_KINDS = ("ServiceMonitor", "ServingRuntime", "InferenceService")

Object = dict[str, Any]
# The volumes that `restricted` allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
every_overlay = pytest.mark.parametrize("folder", ALL)


def kubectl(*arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """Runs kubectl and returns its output; a failure fails the test with its message."""
    if not shutil.which("kubectl"):
        pytest.fail(
            "FAIL: expected kubectl on the PATH, found none; try `pip install -r scripts/requirements-test.txt`"
        )
    ended = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, env=env, check=False)
    if ended.returncode != 0:
        pytest.fail(f"kubectl {' '.join(map(str, arguments))}\n{ended.stdout}{ended.stderr}", pytrace=False)
    return ended.stdout


@functools.cache
def rendered(folder: str) -> str:
    """Renders a folder of kubernetes/ as YAML, without a cluster."""
    return kubectl("kustomize", FOLDER / folder)


def objects(folder: str) -> list[Object]:
    """Renders the objects again for each call, because a test may change them."""
    return list(yaml.load_all(rendered(folder), yaml.CSafeLoader))


def of_kind(found: list[Object], *kinds: str) -> list[Object]:
    return [each for each in found if each["kind"] in kinds]


def deployments(folder: str) -> list[Object]:
    return of_kind(objects(folder), "Deployment")


def named(found: list[Object], kind: str, name: str) -> Object:
    (each,) = [each for each in of_kind(found, kind) if each["metadata"]["name"] == name]
    return each


def pod_of(deployment: Object) -> Object:
    """Returns the pod's spec."""
    spec: Object = deployment["spec"]["template"]["spec"]
    return spec


def container_of(deployment: Object) -> Object:
    """Returns the pod's only container."""
    (container,) = pod_of(deployment)["containers"]
    assert isinstance(container, dict)
    return container


def labels_of(deployment: Object) -> dict[str, str]:
    """Returns the pod's labels."""
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


def selected(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def asked_by_the_edge() -> set[int]:
    """Returns the ports of TorchServe that HAProxy and its supervisor connect to."""
    routed = re.findall(r"\{\{ servers\((\d+)", (EDGE / "templates/backends.cfg.j2").read_text())
    modules = [EDGE / "supervisor" / name for name in ("scrape.py", "loaded.py")]
    asked = [port for file in modules for port in re.findall(r"^PORT\b.* = (\d+)", file.read_text(), re.MULTILINE)]
    assert len(asked) == len(modules)
    return {int(port) for port in routed + asked}


def probes_of(container: Object) -> dict[str, Object]:
    return {name: container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}


def not_restricted(pod: Object) -> Iterator[str]:
    """Returns what a pod's spec lacks for the level `restricted`.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/ (Linux); and for a read-only root, our own.
    """
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in pod.get("volumes", []):
        if not volume.keys() - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"
    outer = pod.get("securityContext", {})
    if outer.get("sysctls"):
        yield "sysctls"
    for container in pod.get("initContainers", []) + pod["containers"]:
        context = container.get("securityContext", {})
        both = {**outer, **context}
        if context.get("privileged"):
            yield "privileged"
        if context.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation"
        if not both.get("runAsNonRoot") or both.get("runAsUser") == 0:
            yield "runAsNonRoot"
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        capabilities = context.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"}:
            yield "capabilities"
        if not context.get("readOnlyRootFilesystem"):
            yield "readOnlyRootFilesystem"
        yield from ("hostPort" for port in container.get("ports", []) if "hostPort" in port)


def lets_through(policies: list[Object], source: Object, target: Object, port: int, protocol: str = "TCP") -> bool:
    """Tells whether the policies of one namespace let a packet from one pod to another.

    A pod: {"namespace": None where it is this one, else that one's name, "labels": {…}}. Both ends have to allow it,
    and who is selected by no policy allows everything
    (https://kubernetes.io/docs/concepts/services-networking/network-policies/).
    """
    return _one_end("egress", "to", policies, source, target, port, protocol) and _one_end(
        "ingress", "from", policies, target, source, port, protocol
    )


def _one_end(
    way: str, peers: str, policies: list[Object], pod: Object, other: Object, port: int, protocol: str
) -> bool:
    specs = [policy["spec"] for policy in policies] if pod["namespace"] is None else []
    ours = [
        spec
        for spec in specs
        if way.capitalize() in spec["policyTypes"] and selected(spec["podSelector"]["matchLabels"], pod["labels"])
    ]
    rules = [rule for spec in ours for rule in spec.get(way, [])]
    return not ours or any(
        any((one["port"], one.get("protocol", "TCP")) == (port, protocol) for one in rule["ports"])
        and (peers not in rule or any(_is_peer(peer, other) for peer in rule[peers]))
        for rule in rules
    )


def _is_peer(peer: Object, pod: Object) -> bool:
    namespace = peer.get("namespaceSelector", {}).get("matchLabels")
    is_there = pod["namespace"] is None if namespace is None else namespace == named_namespace(pod["namespace"])
    return is_there and selected(peer.get("podSelector", {}).get("matchLabels", {}), pod["labels"])


def named_namespace(name: str | None) -> dict[str, str]:
    """Returns the label that Kubernetes gives every namespace."""
    return {"kubernetes.io/metadata.name": name or ""}
