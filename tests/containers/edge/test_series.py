"""The supervisor's own metrics, and its HTTP server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from conftest import make_certificate, record
from supervisor import __main__ as supervisor
from supervisor.certificate import expires_at
from supervisor.cgroup import container_series
from supervisor.haproxy import HAProxy
from supervisor.render import CONFIG
from supervisor.series import CONTENT_TYPE, Series, shares
from supervisor.server import Server
from supervisor.settings import Settings

MakeSettings = Callable[..., Settings]
CANARY = {"version": "2.0", "weight": 10}


def samples(series: Series) -> dict[str, dict[tuple[str, ...], float]]:
    """Returns {name: {values of the labels, in the order of their names: value}}."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(series.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def in_force(settings: MakeSettings, publish: Callable[..., None]) -> Settings:
    """An edge with a certificate, a canary of m in force, and n, which was never released."""
    releases = {"m": {"stable": "1.0", "deployed": ["1.0", "2.0", "3.0"], "canary": CANARY}}
    publish(record("m", "3.0"), record("m", "2.0"), record("m", "1.0"), record("n"), releases=releases)
    made = settings(tls=True)
    supervisor.apply(made, HAProxy(made.run / CONFIG))
    supervisor.announce(made)
    return made


def test_it_says_who_gets_how_many_of_the_unversioned_requests(in_force: Settings) -> None:
    assert samples(Series(in_force))["edge_release_weight_percent"] == {
        ("m", "stable", "1.0"): 90.0,
        ("m", "canary", "2.0"): 10.0,
        ("n", "stable", "1.0"): 100.0,
    }
    assert shares(in_force) == {("m", "1.0"): 90.0, ("m", "2.0"): 10.0, ("m", "3.0"): 0.0, ("n", "1.0"): 100.0}


def test_before_anything_is_in_force_no_version_gets_any(settings: MakeSettings) -> None:
    made = settings()
    assert "edge_release_weight_percent" not in samples(Series(made))
    assert shares(made) == {}


def test_it_says_when_the_certificate_in_force_ends(in_force: Settings, tmp_path: Path) -> None:
    (ends,) = samples(Series(in_force))["edge_certificate_expiry_timestamp_seconds"].values()
    assert ends == expires_at((in_force.secrets / "certificate.pem").read_text())
    make_certificate(in_force.secrets, days=30)
    supervisor.apply(in_force, HAProxy(in_force.run / CONFIG))
    (later,) = samples(Series(in_force))["edge_certificate_expiry_timestamp_seconds"].values()
    assert later - ends == pytest.approx(29 * 86400, abs=60)


def test_without_tls_there_is_no_certificate_to_end(settings: MakeSettings) -> None:
    assert "edge_certificate_expiry_timestamp_seconds" not in samples(Series(settings()))


def test_reloads_are_counted_by_what_became_of_them(settings: MakeSettings) -> None:
    series = Series(settings())
    assert samples(series)["edge_reloads_total"] == {("ok",): 0.0, ("refused",): 0.0}
    for result in ("ok", "refused", "ok"):
        series.reloaded(result)
    assert samples(series)["edge_reloads_total"] == {("ok",): 2.0, ("refused",): 1.0}


def test_it_says_what_its_container_uses(settings: MakeSettings) -> None:
    found = samples(Series(settings()))
    assert found["container_memory_bytes"][()] > 1e6
    assert found["container_cpu_seconds_total"][()] > 0


V1 = {
    "memory/memory.usage_in_bytes": "1000",
    "memory/memory.stat": "cache 5\ntotal_inactive_file 300",
    "memory/memory.limit_in_bytes": "4000",
    "cpuacct/cpuacct.usage": "2500000000",
    "cpu/cpu.stat": "nr_periods 3\nthrottled_time 500000000",
    "cpu/cpu.cfs_quota_us": "150000",
    "cpu/cpu.cfs_period_us": "100000",
}
V2 = {
    "cgroup.controllers": "cpu memory",
    "memory.current": "1000",
    "memory.stat": "anon 5\ninactive_file 300",
    "memory.max": "4000",
    "cpu.stat": "usage_usec 2500000\nthrottled_usec 500000",
    "cpu.max": "150000 100000",
}
LIMITS = {"container_memory_limit_bytes", "container_cpu_limit_cores"}


def written(folder: Path, files: dict[str, str]) -> dict[str, float]:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{text}\n")
    return {sample.name: sample.value for family in container_series(folder) for sample in family.samples}


@pytest.mark.parametrize("files", [V1, V2], ids=["v1", "v2"])
def test_a_control_group_is_read_in_both_forms(tmp_path: Path, files: dict[str, str]) -> None:
    assert written(tmp_path, files) == {
        "container_memory_bytes": 700.0,
        "container_memory_limit_bytes": 4000.0,
        "container_cpu_seconds_total": 2.5,
        "container_cpu_throttled_seconds_total": 0.5,
        "container_cpu_limit_cores": 1.5,
    }


@pytest.mark.parametrize(
    "files",
    [
        {**V1, "memory/memory.limit_in_bytes": "9223372036854771712", "cpu/cpu.cfs_quota_us": "-1"},
        {**V2, "memory.max": "max", "cpu.max": "max 100000"},
    ],
    ids=["v1", "v2"],
)
def test_without_a_limit_there_is_no_series_of_it(tmp_path: Path, files: dict[str, str]) -> None:
    found = set(written(tmp_path, files))
    assert not found & LIMITS
    assert "container_memory_bytes" in found


@pytest.fixture
def served(settings: MakeSettings) -> Iterator[http.client.HTTPConnection]:
    """A connection to a server with one page that works and one that fails."""
    pages: dict[str, Any] = {"/metrics": lambda: (CONTENT_TYPE, b"x 1\n"), "/broken": lambda: {}["no"]}
    with Server(pages, ("127.0.0.1", 0)) as server:
        server.start()
        yield http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=5)
        server.shutdown()


@pytest.mark.parametrize(("method", "content"), [("GET", b"x 1\n"), ("HEAD", b"")])
def test_a_page_is_answered(served: http.client.HTTPConnection, method: str, content: bytes) -> None:
    served.request(method, "/metrics?x=1")
    answer = served.getresponse()
    assert (answer.status, answer.headers["Content-Type"], answer.read()) == (200, CONTENT_TYPE, content)
    assert (answer.headers["Content-Length"], answer.headers["Cache-Control"]) == ("4", "no-store")


def test_another_path_is_not_found_as_json(served: http.client.HTTPConnection) -> None:
    served.request("GET", "/secret")
    answer = served.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (404, 404)


def test_a_fault_of_one_answer_leaves_the_others(
    served: http.client.HTTPConnection, capsys: pytest.CaptureFixture[str]
) -> None:
    served.request("GET", "/broken")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        served.getresponse()
    served.close()
    served.request("GET", "/metrics")
    assert served.getresponse().status == 200
    assert "KeyError" in capsys.readouterr().err
