"""benchmarks/peers, as far as it needs no container: peers' descriptions, bytes on the wire, and what the page says."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from peers import tables
from peers.peer import OURS, SERVERS, TABLES, PeerError, Table, peer_names, read_peer
from peers.results import Results, Run, load_results
from peers.tasks import make_task
from peers.wire import frame, is_same, read_answer


def run(peer: str, rate: float, connections: int = 8, table: Table = "equal-engine", cpu_ms: float = 1.0) -> Run:
    return Run(peer, table, "mnist", connections, rate, 1, 1, 1, 1, cpu_ms, 100, 0, "openvino", "bf16", "2026-11-22")


def results(*runs: Run) -> Results:
    machine = dict.fromkeys(("date", "cpu", "cores", "memory_gib", "kernel", "system", "docker", "load"), "?")
    settings = {"engine": "openvino", "precision": "bf16", "workers": 2, "threads": 1, "seconds": 20, "warmup": 15}
    return Results(machine, settings, names={name: read_peer(name).name for name in peer_names()}, runs=list(runs))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "7.png"
    file.write_bytes(b"\x89PNG\r\n\0\xff")
    return file


@pytest.mark.parametrize("name", peer_names())
def test_every_peer_is_described_for_each_of_its_tables(name: str) -> None:
    peer = read_peer(name)
    assert set(peer.notes) == set(peer.tables) <= set(TABLES)
    assert peer.id == OURS or peer.documentation
    assert peer.id == OURS or (SERVERS / peer.build / "start").stat().st_mode & 0o100


def test_an_unknown_peer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PeerError, match=r"expected one of ours, bentoml, .*found nope"):
        read_peer("nope")


@pytest.mark.parametrize("name", [name for name in peer_names() if read_peer(name).body == "raw"])
def test_a_raw_body_is_the_image_file(name: str, image: Path) -> None:
    request = frame(read_peer(name), "mnist", image)
    assert request.body == image.read_bytes()
    assert request.headers["Content-Type"] == "image/png"
    assert "{" not in request.path


def test_mlserver_gets_the_image_as_base64_in_v2_json(image: Path) -> None:
    request = frame(read_peer("mlserver"), "mnist", image)
    tensor = json.loads(request.body)["inputs"][0]
    assert (request.path, request.headers["Content-Type"]) == ("/v2/models/mnist/infer", "application/json")
    assert base64.b64decode(tensor["data"][0]) == image.read_bytes()


@pytest.mark.parametrize(
    ("name", "headers", "body"),
    [
        ("fastapi", {}, b"7"),
        ("kserve", {}, b'{"predictions": [7]}'),
        ("mlserver", {}, b'{"outputs": [{"data": ["7"]}]}'),
        ("tritonserver", {"Inference-Header-Content-Length": "13"}, b'{"outputs":[]}'[:13] + b"\1\0\0\0" + b"7"),
    ],
)
def test_an_answer_is_found_in_its_frame(name: str, headers: dict[str, str], body: bytes) -> None:
    assert read_answer(read_peer(name), headers, body) == 7


def test_answers_are_compared_by_what_they_say() -> None:
    assert is_same(7, 7)
    assert not is_same(1, 7)
    expected = {"cat": 0.5, "dog": 0.3}
    assert is_same({"dog": 0.3, "cat": 0.48}, expected)
    assert not is_same({"cat": 0.2, "dog": 0.6}, expected)
    assert not is_same({"dog": 0.6}, expected)
    assert not is_same(7, expected)


def test_out_of_the_box_no_peer_is_told_workers_or_threads() -> None:
    told = make_task("out-of-the-box", "mnist", "openvino", "bf16", 2, 1).environment
    assert told == {"MODEL": "mnist", "ENGINE": "eager", "PRECISION": "f32"}


def test_a_peer_that_is_ahead_gets_a_sentence() -> None:
    page = tables.render(results(run(OURS, 1000), run("fastapi", 1500), run("ray", 1200), run("kserve", 1010)), [])
    assert "8 connections: FastAPI + uvicorn answers 1,500 requests/s, this stack 1,000 (1.50 ×)" in page
    assert "also ahead: Ray Serve." in page  # and not KServe: 1 % is noise


def test_a_peer_that_costs_less_cpu_gets_a_sentence() -> None:
    page = tables.render(results(run(OURS, 1000, cpu_ms=0.5), run("fastapi", 500, cpu_ms=0.4)), [])
    assert "FastAPI + uvicorn takes 0.400 CPU-ms per request, this stack 0.500 (1.25 ×)" in page


def test_no_peer_ahead_is_said_too() -> None:
    page = tables.render(results(run(OURS, 1000), run("fastapi", 500)), [])
    assert "No peer is ahead" in page


def test_random_weights_are_named() -> None:
    measured = results(run(OURS, 1000))
    measured.untrained = ["mnist"]
    assert "**mnist has random weights** (`random:0`)" in tables.render(measured, [])


def test_results_survive_the_file(tmp_path: Path) -> None:
    measured = results(run(OURS, 1000), run("ray", 1, table="out-of-the-box"))
    measured.save(tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == measured


def test_measuring_again_replaces_that_server_alone() -> None:
    measured = results(run(OURS, 1), run("ray", 2))
    measured.forget("ray", "equal-engine", "mnist")
    assert [one.peer for one in measured.runs] == [OURS]


def test_a_misspelt_key_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "peer.yaml").write_text("nmae: Odd\n")
    monkeypatch.setattr("peers.peer.SERVERS", tmp_path)
    with pytest.raises(PeerError, match="nmae"):
        read_peer("odd")
