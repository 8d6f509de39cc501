"""HAProxy accepts whatever is rendered, and no one else can read it."""

from __future__ import annotations

import itertools
import re
import stat
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import ADMIN_SHA256, PREDICT_SHA256, record
from supervisor import __main__ as supervisor
from supervisor.errors import EdgeError
from supervisor.haproxy import HAProxy
from supervisor.render import CONFIG, render, write
from supervisor.settings import Settings, read_settings

MakeSettings = Callable[..., Settings]
CANARY = {"version": "2.0", "weight": 10, "sticky_header": "X-Client-Id"}
CASES = list(itertools.product((False, True), (False, True), (0, 1000), ("all", "failures"), (False, True)))


@pytest.mark.parametrize(("tls", "keys", "rate", "access_log", "canary"), CASES)
def test_haproxy_accepts_every_combination(
    settings: MakeSettings,
    publish: Callable[..., None],
    tls: bool,
    keys: bool,
    rate: int,
    access_log: str,
    canary: bool,
) -> None:
    releases = {
        name: {"stable": "1.0", "deployed": ["1.0", "2.0"], "canary": {**CANARY, "sticky_header": header}}
        for name, header in (("m", "X-Client-Id"), ("n", None))
        if canary
    }
    records = [record(name, version) for name in ("m", "n") for version in ("2.0", "1.0")]
    publish(*records, releases=releases)
    made = settings(tls=tls, keys=keys, rate=rate, access_log=access_log)
    supervisor.apply(made, HAProxy(made.run / CONFIG))
    text = (made.run / CONFIG).read_text()
    assert ("ssl crt tls.pem" in text) is tls
    assert ("keys.map" in text) is keys
    assert ("backend clients" in text) is bool(rate)
    assert ("backend splits" in text) is canary


@pytest.mark.parametrize(("access_log", "canary"), itertools.product(("all", "failures"), (False, True)))
def test_haproxy_accepts_tracing_and_without_it_nothing_of_it_is_there(
    settings: MakeSettings, publish: Callable[..., None], access_log: str, canary: bool
) -> None:
    release = {"stable": "1.0", "deployed": ["1.0", "2.0"], "canary": {**CANARY}}
    publish(record("m"), record("m", "2.0"), releases={"m": release} if canary else {})
    traced = settings(access_log=access_log, sampled_ppm=10)
    supervisor.apply(traced, HAProxy(traced.run / CONFIG))
    assert "lt 10 }" in (traced.run / CONFIG).read_text()
    untraced = render(settings(access_log=access_log)).files[CONFIG]
    assert not re.search("traceparent|tracestate|span|debug", untraced)


def test_torchserve_is_asked_for_by_the_whole_name_from_whichever_servers_of_names_the_container_has(
    settings: MakeSettings,
) -> None:
    """Docker's is 127.0.0.11, a cluster's is elsewhere; HAProxy does not append search domains."""
    made = settings(torchserve=read_settings({"EDGE_TORCHSERVE": "torchserve.models.svc.cluster.local"}).torchserve)
    supervisor.apply(made, HAProxy(made.run / CONFIG))
    text = (made.run / CONFIG).read_text()
    assert "parse-resolv-conf" in text
    assert not re.findall(r"nameserver .*", text)
    names = re.findall(r"server torchserve\d+ ipv4@(\S+):\d+", text)
    assert names == ["torchserve.models.svc.cluster.local"] * 4 * 8


def test_it_routes_to_as_many_torchserves_as_it_is_told(settings: MakeSettings) -> None:
    """Includes gRPC; each is checked over HTTP/1.1, and data lost on the way to one is noticed within 3 s."""
    made = settings(max_replicas=read_settings({"EDGE_MOST_REPLICAS": "12"}).max_replicas)
    supervisor.apply(made, HAProxy(made.run / CONFIG))
    text = (made.run / CONFIG).read_text()
    # HAProxy has no address yet, and applies tcp-ut only if it knows the address family.
    for line in ("8080 tcp-ut 3s\n", "8081 tcp-ut 3s\n", "7070 tcp-ut 3s proto h2 check-proto h1\n"):
        lines = set(re.findall(rf"server torchserve\d+ ipv4@torchserve:{line}", text))
        assert len(lines) == 12, line
    assert "srv_is_up(torchserve/torchserve12)" in text
    assert "srv_is_up(torchserve/torchserve13)" not in text


def test_an_empty_store_is_a_configuration_too(settings: MakeSettings) -> None:
    made = settings()
    supervisor.apply(made, HAProxy(made.run / CONFIG))


def test_only_a_released_models_requests_get_a_version_here(
    settings: MakeSettings, publish: Callable[..., None]
) -> None:
    """TorchServe may not have loaded yet what a newer manifest lists as the newest version."""
    publish(record("m"), record("n"), releases={"m": {"stable": "1.0", "deployed": ["1.0"]}})
    assert render(settings()).files["stable.map"] == "m 1.0\n"


def test_the_map_of_keys_holds_hashes_scopes_and_names(settings: MakeSettings) -> None:
    lines = render(settings(keys=True)).files["keys.map"].splitlines()
    assert lines == [f"{PREDICT_SHA256.upper()} predict:client", f"{ADMIN_SHA256.upper()} admin:boss"]


def test_no_other_user_may_read_the_rendered_files(settings: MakeSettings) -> None:
    made = settings(tls=True, keys=True)
    write(render(made), made.run)
    files = list(made.run.iterdir())
    names = {"haproxy.cfg", "page.cfg", "models.json", "stable.map", "keys.map", "tls.pem"}
    assert {file.name for file in files} == names
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_change_that_cannot_be_used_leaves_the_files_in_force(
    settings: MakeSettings, publish: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    made = settings(tls=True, keys=True)
    publish(record("m"))
    haproxy = HAProxy(made.run / CONFIG)
    supervisor.apply(made, haproxy)
    before = {file.name: file.read_text() for file in made.run.iterdir() if file.is_file()}
    (made.secrets / "certificate.pem").write_text("garbage")
    supervisor.follow(made, haproxy, haproxy, None)
    assert "FAIL: expected certificate.pem to be PEM" in capsys.readouterr().out
    assert {file.name: file.read_text() for file in made.run.iterdir() if file.is_file()} == before


def test_what_haproxy_refuses_is_told_in_its_words(settings: MakeSettings) -> None:
    made = settings()
    (made.run / CONFIG).write_text("frontend x\n  nonsense\n")
    with pytest.raises(EdgeError, match="unknown keyword 'nonsense'"):
        HAProxy(made.run / CONFIG).check(made.run / CONFIG)


@pytest.mark.parametrize(
    "name", ["manifest.json", "releases.json", "keys", "certificate.pem", "private-key.pem", "config.properties"]
)
def test_everything_that_it_reads_is_followed(settings: MakeSettings, name: str) -> None:
    made = settings(tls=True, keys=True)
    before = supervisor.digest_of(made)
    folder = {".json": made.store, ".properties": made.config.parent}.get(Path(name).suffix, made.secrets)
    (folder / name).write_text("changed")
    assert supervisor.digest_of(made) != before
    (folder / name).unlink()
    assert supervisor.digest_of(made) != before or name.endswith(".json"), (
        "a file that is gone is as none that never was"
    )


def test_no_log_format_names_a_header_or_a_query(settings: MakeSettings) -> None:
    text = render(settings(keys=True)).files[CONFIG]
    formats = re.findall(r"log-format '(.*)'", text)
    assert len(formats) == 2
    assert not [form for form in formats if re.search(r"hdr|capture|query|url\b|%r\b|%HU|%HQ|body", form)]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
        ("OTEL_TRACES_SAMPLER_ARG", "some"),
        ("EDGE_TLS", "yes"),
        ("EDGE_KEYS", "1"),
        ("EDGE_RATE", "-1"),
        ("EDGE_RATE", "fast"),
        ("EDGE_MOST_REPLICAS", "many"),
        ("ACCESS_LOG", "some"),
        ("EDGE_TORCHSERVE", "two names"),
        ("EDGE_TORCHSERVE", "torchserve:8080"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(EdgeError, match=f"expected {variable} .*found '{value}'"):
        read_settings({variable: value, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})


def test_settings_have_defaults_and_are_read() -> None:
    assert not read_settings({}).tls
    assert (read_settings({}).rate, read_settings({}).access_log) == (0, "failures")
    given: dict[str, Any] = {"EDGE_TLS": "true", "EDGE_KEYS": "true", "EDGE_RATE": "7", "ACCESS_LOG": "all"}
    made = read_settings(given)
    assert (made.tls, made.keys, made.rate, made.access_log) == (True, True, 7, "all")
    assert made.sampled_ppm is None
    assert (made.max_replicas, read_settings({"EDGE_MOST_REPLICAS": "0"}).max_replicas) == (8, 1)
    assert read_settings({"EDGE_TORCHSERVE": ""}).torchserve == "torchserve"
    assert read_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}).sampled_ppm == 1_000_000
