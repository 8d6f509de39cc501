"""Causes each alert of docker/prometheus/rules, and removes the cause again."""

from dataclasses import dataclass

from integration.support.observe.alert_watch import Labels


@dataclass(frozen=True)
class Case:
    """How an alert's condition is caused and mended, in words; `labels`: what its alert carries besides its name."""

    caused_by: str
    mended_by: str
    labels: Labels


CASES = {
    "ModelWithoutReadyWorker": Case(
        "the model's workers scaled to none", "scaled to one", {"model": "resting", "version": "1.0"}
    ),
    "WorkerCrashLoop": Case("kill -9 of each worker as it comes", "no more kills", {"model": "dying"}),
    "QueueFilling": Case("eight clients at a model that takes half a second", "no more requests", {"model": "late"}),
    "LatencyOverObjective": Case("the same, objective 0.2 s", "no more requests", {"model": "late"}),
    "ModelErrorBudgetBurn": Case("a version whose handler fails", "no more such requests", {"model": "told"}),
    "EdgeErrorBudgetBurn": Case("the same, through the edge", "no more such requests", {}),
    "CanaryWorse": Case("the same, as a canary of 50 %", "no more such requests", {"model": "told", "version": "2.0"}),
    "MemoryNearLimit": Case("a worker that takes memory", "kill -9 of that worker", {"job": "torchserve"}),
    "CertificateExpiring": Case("a certificate for three days", "one for ninety days", {}),
    "ServiceDown": Case("the edge stopped", "started again", {"job": "edge"}),
}
