"""A stand-in for a cluster's API server that only knows which kinds exist.

`kubectl apply --dry-run=client` sends nothing, but asks a server for the kinds' names, and whether an object is there.
It checks no field: kubernetes-validate does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {
    "v1": ["Namespace", "ConfigMap", "Service"],
    "apps/v1": ["Deployment"],
    "policy/v1": ["PodDisruptionBudget"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "monitoring.coreos.com/v1": ["ServiceMonitor"],
    "serving.kserve.io/v1alpha1": ["ServingRuntime"],
    "serving.kserve.io/v1beta1": ["InferenceService"],
}


class Handler(BaseHTTPRequestHandler):
    """Discovery: /api, /apis and one path per version of a group; of objects there is none."""

    def do_GET(self) -> None:
        content = answer(self.path.partition("?")[0])
        body = json.dumps(content).encode()
        self.send_response(404 if content["kind"] == "Status" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Kubectl's own words are the test's."""


def answer(path: str) -> dict[str, Any]:
    """As https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api has it, unaggregated."""
    version = path.removeprefix("/api/").removeprefix("/apis/")
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        split = [version.split("/") for version in KINDS if "/" in version]
        versions = [(group, {"groupVersion": f"{group}/{number}", "version": number}) for group, number in split]
        names = dict.fromkeys(group for group, _ in versions)
        groups = [{"name": name, "versions": [one for group, one in versions if group == name]} for name in names]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if version in KINDS:
        resources = [resource(kind) for kind in KINDS[version]]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def resource(kind: str) -> dict[str, Any]:
    singular = kind.lower()
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    verbs = ["create", "get", "list", "patch"]
    return {"kind": kind, "name": plural, "singularName": singular, "namespaced": kind != "Namespace", "verbs": verbs}


@contextmanager
def api_server() -> Iterator[str]:
    """Serves the API while a test runs; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
