"""Every query of every panel returns numbers from a live Prometheus after real traffic, asked as Grafana asks.

Where there is no image of Grafana this is what says that the dashboards show something. With --write-docs the traffic
goes on for some minutes, a worker dies in between, and docs/evidence/dashboards is drawn from what Prometheus saw.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from boards.draw import PICTURES, draw
from boards.queries import Choice, Prometheus, Window, dashboards, filled_in, panels
from integration.support.closed import stack_command
from integration.support.fresh import FreshDeployments
from integration.support.load.constant import ConstantLoad, constant_load
from integration.support.load.edge import edge_predictions
from integration.support.models.archives import add_version
from integration.support.polling import wait_until
from integration.support.processes import kill
from integration.support.signatures import make_keys
from integration.support.stack import SERVING, Deployment

pytestmark = pytest.mark.slow

Json = dict[str, Any]

RATE = 40
DEADLINE_S = 60
SCRAPES = 12
# For the pictures: before and after a worker's death.
MINUTES = 3
OBSERVERS = ("prometheus", "node-exporter")
DASHBOARDS = {dashboard["title"]: dashboard for dashboard in dashboards()}
PANELS = [(title, panel) for title, dashboard in DASHBOARDS.items() for panel in panels(dashboard)]


@dataclass(frozen=True)
class Seen:
    """A Prometheus that has seen the traffic, and the time in which it came."""

    prometheus: Prometheus
    window: Window

    def choices(self, title: str) -> dict[str, Choice]:
        return self.prometheus.choices(DASHBOARDS[title], self.window)


# Slower than the stable version, and every fiftieth of its answers is a 500.
WORSE = """
import itertools
import time

answers = itertools.count(1)

class Worse(MNISTDigitClassifier):
    def answer(self, scores):
        time.sleep(0.005)
        if next(answers) % 50 == 0:
            raise RuntimeError("worse")
        return super().answer(scores)

del MNISTDigitClassifier
"""


@pytest.fixture(scope="module")
def stack(
    fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    """Mnist 1.0, a canary that is worse, and the observers, which scrape every second."""
    stack = fresh_deployment(model_store=fresh_store("mnist"), SCRAPE_INTERVAL="1s")
    private, _ = make_keys(tmp_path_factory.mktemp("dashboards") / "keys")
    stack.start(*SERVING, *OBSERVERS)
    stack.wait_until_healthy()
    add_version(stack.model_store, "2.0", private, WORSE)
    for words in ("deploy mnist 1.0", "deploy mnist 2.0", "canary mnist 2.0 --weight 30"):
        ended = stack_command(stack, "release", *words.split())
        assert ended.returncode == 0, f"release {words}: {ended.stdout}"
    return stack


@pytest.fixture(scope="module")
def seen(stack: Deployment, seven: Path, write_docs: bool) -> Seen:
    """What Prometheus has scraped while there was traffic."""
    prometheus = Prometheus(f"http://{stack.address_of('prometheus')}:9090")
    began = time.time()
    with traffic(stack, seven.read_bytes()) as load:
        if write_docs:
            load.keep_up(MINUTES * 30)
            kill(stack, stack.workers("mnist", "1.0")[0]["pid"])
            load.keep_up(MINUTES * 30)
        wait_until("every job was scraped under load", lambda: scraped(prometheus, began), DEADLINE_S)
        end = time.time()
    seen = Seen(prometheus, Window(end, end - began, prometheus.scrape_interval()))
    if write_docs:
        draw(prometheus, seen.window, PICTURES, {"model": "mnist"})
    return seen


@contextmanager
def traffic(stack: Deployment, picture: bytes) -> Iterator[ConstantLoad]:
    """Good requests to the edge, which a canary shares; bad ones, and ones for a model that is not served."""
    nonsense = edge_predictions(stack), b"no picture"
    unknown = edge_predictions(stack, "nobody"), picture
    with (
        constant_load(edge_predictions(stack), picture, expected="7", rate=RATE) as load,
        constant_load(*nonsense, expected="", rate=RATE / 10),
        constant_load(*unknown, expected="", rate=RATE / 20),
    ):
        yield load


def scraped(prometheus: Prometheus, since: float) -> bool:
    """Whether every job that is up has been scraped often enough for a rate over its whole window."""
    query = f"min(count_over_time(up[{round(time.time() - since)}s]))"
    found = prometheus.ask("query", query=query)["result"]
    return bool(found) and float(found[0]["value"][1]) >= SCRAPES


def test_every_observed_service_is_up(seen: Seen) -> None:
    down = seen.prometheus.ask("query", query="up == 0")["result"]
    jobs = seen.prometheus.ask("query", query="group by (job) (up)")["result"]
    assert {each["metric"]["job"] for each in jobs} >= {"torchserve", "edge", "haproxy", "node"}
    assert [each["metric"]["job"] for each in down if each["metric"]["job"] not in ("grafana", "alertmanager")] == []


@pytest.mark.parametrize("title", DASHBOARDS)
def test_there_is_something_to_choose_in_every_variable(seen: Seen, title: str) -> None:
    assert all(seen.choices(title).values())


@pytest.mark.parametrize(("title", "panel"), PANELS, ids=[f"{title}: {panel['title']}" for title, panel in PANELS])
def test_every_query_returns_numbers_in(seen: Seen, title: str, panel: Json) -> None:
    choices = seen.choices(title)
    for target in panel["targets"]:
        answer = seen.prometheus.answer(target, choices, seen.window)
        values = [value for series in answer for _, value in series.points]
        asked = filled_in(target["expr"], {**seen.window.variables(), **choices})
        assert any(math.isfinite(value) for value in values), f"no number: {asked}"
        assert not any(math.isinf(value) for value in values), f"infinite: {asked}"


def test_both_versions_are_in_the_lines_of_one_model(seen: Seen) -> None:
    choices = seen.choices("Model")
    assert choices == {"model": "mnist", "version": ["1.0", "2.0"]}
    lines = next(panel for title, panel in PANELS if (title, panel["title"]) == ("Model", "p99 by version"))
    answer = seen.prometheus.answer(lines["targets"][0], choices, seen.window)
    assert {series.labels["version"] for series in answer} == {"1.0", "2.0"}


def test_what_clients_got_is_in_the_panels_by_outcome(seen: Seen) -> None:
    lines = next(panel for title, panel in PANELS if (title, panel["title"]) == ("Overview", "Requests by outcome"))
    answer = seen.prometheus.answer(lines["targets"][0], {}, seen.window)
    busy = {series.labels["outcome"] for series in answer if any(value > 0 for _, value in series.points)}
    assert busy == {"2xx", "4xx", "5xx"}
