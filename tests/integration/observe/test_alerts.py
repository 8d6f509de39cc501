"""Every alert is fired by really causing its condition in a running stack, and resolves once that is mended.

The conditions are caused side by side; the rules are the committed ones with their durations divided (scaled_rules.py).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml

from integration.support.closed import stack_command
from integration.support.fresh import FreshDeployments
from integration.support.models.folders import write_brightness_model
from integration.support.observe.alert_cases import CASES
from integration.support.observe.alert_watch import AlertWatch
from integration.support.observe.scaled_rules import write_scaled
from integration.support.pages.alerts import DOCUMENT, Episode, write_page
from integration.support.polling import wait_until
from integration.support.processes import kill
from integration.support.stack import SERVING, Deployment, new_session, session
from integration.support.users import PROJECT_ROOT

pytestmark = pytest.mark.slow

RULES = PROJECT_ROOT / "docker/prometheus/rules"
OBSERVERS = ("prometheus", "alertmanager")
FACTOR = 30
FIRE_DEADLINE_S, RESOLVE_DEADLINE_S, READY_DEADLINE_S = 150, 150, 60
ALONE = {"batchSize": 1, "minWorkers": 1, "maxWorkers": 1, "jobQueueSize": 4}
# Between what it says is near (0.9) and what the kernel ends.
FILLED = 0.95
MIB = 1 << 20
CLIENTS = 8
PAUSE_S = 0.1


class Clients:
    """Send an order to a model without a pause, or with `pause_s` between, until `stop`."""

    def __init__(self, url: str, order: bytes, count: int, pause_s: float = 0, authority: Path | None = None) -> None:
        self._url, self._order, self._pause_s, self._authority = url, order, pause_s, authority
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._over.wait(self._pause_s):
            # A connection each: the certificate, and its authority, change meanwhile.
            with new_session() as client:
                client.verify = str(self._authority) if self._authority else True
                with suppress(requests.RequestException):
                    client.post(self._url, data=self._order, timeout=30)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


@dataclass
class Trouble:
    """The stack with its conditions: when each was caused and mended (time.monotonic())."""

    stack: Deployment
    caused: dict[str, float]
    mended: dict[str, float]

    def cause(self, *alerts: str) -> None:
        self.caused |= dict.fromkeys(alerts, time.monotonic())

    def mend(self, *alerts: str) -> None:
        self.mended |= dict.fromkeys(alerts, time.monotonic())


@pytest.fixture(scope="module")
def observed_stack(
    fresh_deployment: FreshDeployments, workspace: Path, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Four models that do as they are told, one of them in two versions, the edge with TLS, and the observers."""
    folder, sources = tmp_path_factory.mktemp("alerts"), workspace / "alerts-src"
    for name, version, objective in [
        ("told", "1.0", {}),
        ("told", "2.0", {}),
        ("late", "1.0", {"p99": 0.2}),
        ("dying", "1.0", {}),
        ("resting", "1.0", {}),
    ]:
        model = write_brightness_model(sources, f"{name}-{version[0]}", "told_handler.py", serving=ALONE)
        settings = yaml.safe_load((model / "model.yaml").read_text())
        settings |= {"name": name, "version": version, **({"objective": objective} if objective else {})}
        (model / "model.yaml").write_text(yaml.safe_dump(settings))
    write_scaled(RULES, folder / "rules", FACTOR)
    stack = fresh_deployment(
        model_src=sources,
        overlays=(overlay(folder),),
        SCRAPE_INTERVAL="1s",
        TORCHSERVE_MEMORY="3g",
        EDGE_SECRETS=str(folder / "edge"),
    )
    stack.build_models()
    new_certificate(stack, "90")
    stack.start(*SERVING)
    stack.wait_until_healthy()
    for command in (("promote", "told", "1.0"), ("canary", "told", "2.0", "--weight", "50")):
        done = stack_command(stack, "release", *command)
        assert done.returncode == 0, done.stdout
    stack.compose("build", "prometheus")
    stack.start(*OBSERVERS)
    wait_until("everything is scraped", lambda: scraped(stack) == {"torchserve", "edge", "haproxy"}, READY_DEADLINE_S)
    return stack


def scraped(stack: Deployment) -> set[str]:
    """The jobs of the serving containers that answer Prometheus."""
    url = f"http://127.0.0.1:{stack.ports.prometheus}/api/v1/query"
    found = session.get(url, params={"query": 'up{job=~"torchserve|edge|haproxy"} == 1'}, timeout=10).json()
    return {one["metric"]["job"] for one in found["data"]["result"]}


def overlay(folder: Path) -> Path:
    """The divided rules; and the edge with TLS, and without keys."""
    secrets = {"type": "bind", "source": str(folder / "edge"), "target": "/run/edge-secrets", "read_only": True}
    services = {
        "prometheus": {"volumes": [f"{folder / 'rules'}:/etc/prometheus/rules:ro"]},
        "edge": {"environment": {"EDGE_TLS": "true"}, "volumes": [secrets]},
    }
    file = folder / "compose.yaml"
    file.write_text(yaml.safe_dump({"services": services}))
    for path in (folder, folder / "rules"):
        path.chmod(0o755)
    return file


def new_certificate(stack: Deployment, days: str) -> None:
    made = stack_command(stack, "certs", "--days", days, "--force")
    assert made.returncode == 0, made.stdout


def scale(stack: Deployment, model: str, workers: int) -> None:
    url = f"{stack.management}/models/{model}?min_worker={workers}&max_worker={workers}"
    answer = session.put(url, timeout=READY_DEADLINE_S)
    assert answer.status_code in (200, 202), answer.text


def kill_as_they_come(stack: Deployment, model: str, over: threading.Event) -> None:
    killed = set()
    while not over.wait(PAUSE_S):
        for worker in stack.workers(model):
            pid = worker["pid"]
            if worker["status"] == "READY" and pid not in killed and pid > 0:
                kill(stack, pid)
                killed.add(pid)


def memory_of(stack: Deployment) -> tuple[float, float]:
    """Bytes: working set and limit of the container, as Prometheus sees them."""
    lines = dict(line.rsplit(" ", 1) for line in session.get(stack.metrics, timeout=10).text.splitlines() if line)
    return float(lines["container_memory_bytes"]), float(lines["container_memory_limit_bytes"])


def fill_memory(stack: Deployment) -> None:
    used, limit = memory_of(stack)
    answer = stack.predict("told/1.0", f"take {int((limit * FILLED - used) / MIB)}".encode())
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def watch(observed_stack: Deployment) -> Iterator[AlertWatch]:
    url = f"http://127.0.0.1:{observed_stack.ports.alertmanager}"
    with AlertWatch(url, {alert: case.labels for alert, case in CASES.items()}) as watching:
        yield watching


@pytest.fixture(scope="module")
def episodes(observed_stack: Deployment, watch: AlertWatch) -> dict[str, Episode | str]:
    """What became of each alert; a sentence of what was missing where it did not fire, or did not resolve."""
    stack, trouble = observed_stack, Trouble(observed_stack, {}, {})
    wait_until("the alerts' absence", lambda: watch.active() == [], RESOLVE_DEADLINE_S)
    with ExitStack() as after:
        mends = start_troubles(trouble, after)
        wait_quietly(lambda: set(watch.silent()) <= {"ServiceDown"}, FIRE_DEADLINE_S)
        for mend in mends:
            mend()
    # Last: the others come through the edge, or are seen by way of it.
    wait_quietly(lambda: not watch.active(), RESOLVE_DEADLINE_S)
    trouble.cause("ServiceDown")
    stack.compose("stop", "edge")
    wait_quietly(lambda: not watch.silent(), FIRE_DEADLINE_S)
    trouble.mend("ServiceDown")
    stack.start("edge")
    wait_quietly(lambda: not watch.active(), RESOLVE_DEADLINE_S)
    return {alert: judge(alert, trouble, watch) for alert in CASES}


def start_troubles(trouble: Trouble, after: ExitStack) -> list[Callable[[], None]]:
    """Causes all but ServiceDown; returns what mends them."""
    stack, over = trouble.stack, threading.Event()
    failing = ("ModelErrorBudgetBurn", "EdgeErrorBudgetBurn", "CanaryWorse")
    late = ("QueueFilling", "LatencyOverObjective")
    trouble.cause("MemoryNearLimit")
    fill_memory(stack)
    trouble.cause("ModelWithoutReadyWorker")
    scale(stack, "resting", 0)
    trouble.cause("CertificateExpiring")
    new_certificate(stack, "3")
    trouble.cause(*late)
    queueing = Clients(f"{stack.inference}/predictions/late", b"hold 0.5", CLIENTS)
    after.callback(queueing.stop)
    trouble.cause(*failing)
    url = f"https://127.0.0.1:{stack.ports.edge}/predictions/told"
    broken = Clients(url, b"fail 2.0", 2, PAUSE_S, Path(stack.variables["EDGE_SECRETS"]) / "ca.pem")
    after.callback(broken.stop)
    trouble.cause("WorkerCrashLoop")
    killer = threading.Thread(target=kill_as_they_come, args=(stack, "dying", over))
    killer.start()
    after.callback(killer.join)
    after.callback(over.set)

    def mend_load() -> None:
        trouble.mend(*late, *failing, "WorkerCrashLoop")
        over.set()
        queueing.stop()
        broken.stop()

    def mend_rest() -> None:
        trouble.mend("MemoryNearLimit", "ModelWithoutReadyWorker", "CertificateExpiring")
        kill(stack, stack.workers("told", "1.0")[0]["pid"])
        new_certificate(stack, "90")
        scale(stack, "resting", 1)

    return [mend_load, mend_rest]


def wait_quietly(is_so: Callable[[], bool], deadline_s: float) -> None:
    """What is missing at the deadline is said by each alert's own test."""
    ends = time.monotonic() + deadline_s
    while not is_so() and time.monotonic() < ends:
        time.sleep(PAUSE_S)


def judge(alert: str, trouble: Trouble, watch: AlertWatch) -> Episode | str:
    seen, case = watch.seen[alert], CASES[alert]
    if seen.fired is None:
        return "it did not fire"
    if seen.gone is None:
        return f"fired after {seen.fired - trouble.caused[alert]:.0f} s, and did not resolve"
    if seen.fired < trouble.caused[alert]:
        return "it fired before its condition was caused"
    if seen.gone < trouble.mended[alert]:
        return "it was gone before its condition was mended"
    fired, resolved = seen.fired - trouble.caused[alert], seen.gone - trouble.mended[alert]
    return Episode(case.caused_by, case.mended_by, fired, resolved)


def test_every_alert_of_the_rules_is_among_the_cases() -> None:
    groups = [group for file in RULES.glob("*.yaml") for group in yaml.safe_load(file.read_text())["groups"]]
    assert {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule} == set(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_it_fires_when_its_condition_is_caused_and_resolves_when_that_is_mended(
    alert: str, episodes: dict[str, Episode | str]
) -> None:
    found = episodes[alert]
    assert isinstance(found, Episode), f"{alert}: {found}"


def test_the_page_names_every_alert(episodes: dict[str, Episode | str], write_docs: bool) -> None:
    if write_docs:
        write_page({alert: one for alert, one in episodes.items() if isinstance(one, Episode)}, FACTOR)
    text = DOCUMENT.read_text()
    assert not [alert for alert in CASES if f"| {alert} |" not in text]
