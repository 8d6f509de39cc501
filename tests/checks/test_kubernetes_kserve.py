"""kubernetes/kserve: without KServe's own schemas, the pod that it makes is checked against Kubernetes'."""

import kubernetes_validate  # type: ignore[import-untyped]

from checks.kubernetes_objects import Object, container_of, named, not_restricted, objects, pod_of, probes_of

VERSION = kubernetes_validate.utils.latest_version()
# KServe's own fields, besides those of a pod: https://kserve.github.io/website/docs/reference/crd-api
OF_THE_PREDICTOR = {"model", "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "deploymentStrategy"}


def runtime() -> Object:
    return named(objects("kserve"), "ServingRuntime", "torchserve-stack")


def service() -> Object:
    return named(objects("kserve"), "InferenceService", "torchserve")


def pod() -> Object:
    """The pod as KServe merges it: containers and volumes of the runtime, the rest of the predictor."""
    predictor = service()["spec"]["predictor"]
    own = {key: value for key, value in predictor.items() if key not in OF_THE_PREDICTOR}
    return {**own, "containers": runtime()["spec"]["containers"], "volumes": runtime()["spec"]["volumes"]}


def test_the_pod_that_kserve_makes_is_valid_and_restricted() -> None:
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any"}, "spec": pod()}
    kubernetes_validate.validate(made, VERSION, strict=True)
    assert list(not_restricted(pod())) == []


def test_it_is_the_pod_of_the_base() -> None:
    base = named(objects("base"), "Deployment", "torchserve")
    ours, theirs = pod(), pod_of(base)
    assert {key: theirs[key] for key in ours if key != "containers"} == {
        key: value for key, value in ours.items() if key != "containers"
    }
    container, of_base = ours["containers"][0], container_of(base)
    for key in ("resources", "securityContext", "volumeMounts", "lifecycle"):
        assert container[key] == of_base[key]
    numbers = {port["name"]: port["containerPort"] for port in of_base["ports"]}
    for name, probe in probes_of(of_base).items():
        probe["httpGet"]["port"] = numbers[probe["httpGet"]["port"]]
        assert container[name] == probe
    assert [port["containerPort"] for port in container["ports"]] == [8080], "KServe routes to one only"


def test_the_service_asks_for_this_runtime_and_for_no_other_models() -> None:
    model = service()["spec"]["predictor"]["model"]
    assert model == {"modelFormat": {"name": "torchserve-stack", "version": "1"}, "runtime": "torchserve-stack"}
    (model_format,) = runtime()["spec"]["supportedModelFormats"]
    assert model_format == {**model["modelFormat"], "autoSelect": False}
    assert runtime()["spec"]["multiModel"] is False
    assert runtime()["spec"]["containers"][0]["name"] == "kserve-container", "the name that KServe looks for"


def test_no_protocol_is_claimed_that_is_not_spoken() -> None:
    """TorchServe takes KServe's paths but not its bodies (docs/guides/kubernetes.md)."""
    assert runtime()["spec"].keys() == {"multiModel", "supportedModelFormats", "containers", "volumes"}


def test_the_image_is_the_one_of_the_overlays() -> None:
    closed = named(objects("overlays/production"), "Deployment", "torchserve")
    assert pod()["containers"][0]["image"] == container_of(closed)["image"]
