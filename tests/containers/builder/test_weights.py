"""Weights are loaded from every source, and damaged or foreign ones are refused."""

import functools
import hashlib
import http.server
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from builder.errors import Unavailable, WeightsRefused
from builder.inputs.downloads import fetch_url
from builder.inputs.weights import load_weights
from builder.spec import FileWeights, RandomWeights, load_spec
from contract.archive import file_sha256


def load(model_folder: Path, module: torch.nn.Module, **weights: object):
    spec = load_spec(model_folder / "model.yaml").model_copy(update={"weights": FileWeights(**weights)})
    return load_weights(spec, module, model_folder, model_folder / "cache", print)


def linear() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


@pytest.fixture
def saved(model_folder: Path) -> Path:
    path = model_folder / "weights.pth"
    torch.save(linear().state_dict(), path)
    return path


def test_a_file_is_loaded_and_its_hash_recorded(model_folder: Path, saved: Path) -> None:
    module = linear()
    weights = load(model_folder, module, file="weights.pth")
    assert weights.sha256 == file_sha256(saved)
    assert weights.trained
    assert torch.equal(module.weight, torch.load(saved, weights_only=True)["weight"])


def test_a_truncated_file_is_refused_with_both_hashes(model_folder: Path, saved: Path) -> None:
    expected = file_sha256(saved)
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(WeightsRefused, match=f"{expected}.*{file_sha256(saved)}"):
        load(model_folder, linear(), file="weights.pth", sha256=expected)


def test_a_truncated_file_without_a_known_hash_is_refused(model_folder: Path, saved: Path) -> None:
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(WeightsRefused, match="unreadable"):
        load(model_folder, linear(), file="weights.pth")


def test_a_hash_in_the_file_name_counts(model_folder: Path, saved: Path) -> None:
    saved.rename(model_folder / "densenet161-8d451a50.pth")
    with pytest.raises(WeightsRefused, match=r"expected sha256 8d451a50 .* found sha256 [0-9a-f]{64}"):
        load(model_folder, linear(), file="densenet161-8d451a50.pth")


def test_weights_of_another_architecture_are_refused(model_folder: Path, saved: Path) -> None:
    with pytest.raises(WeightsRefused, match="size mismatch"):
        load(model_folder, torch.nn.Linear(3, 4), file="weights.pth")


def test_a_pickled_module_is_refused(model_folder: Path) -> None:
    torch.save(linear(), model_folder / "module.pth")
    with pytest.raises(WeightsRefused, match="state_dict"):
        load(model_folder, linear(), file="module.pth")


def test_a_missing_file_makes_the_model_unavailable(model_folder: Path) -> None:
    with pytest.raises(Unavailable, match="no such file; try copying the file to model_src/brightness/"):
        load(model_folder, linear(), file="absent.pth")


def test_random_weights_say_that_they_are_untrained(model_folder: Path) -> None:
    spec = load_spec(model_folder / "model.yaml").model_copy(update={"weights": RandomWeights(random=3)})
    weights = load_weights(spec, linear(), model_folder, model_folder, print)
    assert not weights.trained
    assert "UNTRAINED" in weights.origin


def test_densenet161_takes_the_legacy_names_of_the_published_file() -> None:
    spec = importlib.util.spec_from_file_location("densenet_model", "/model_src/densenet161/model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with torch.device("meta"):
        model = module.DenseNet161()
        keys = set(model.state_dict())
    legacy = {
        key.replace("norm1", "norm.1").replace("norm2", "norm.2").replace("conv1", "conv.1").replace("conv2", "conv.2")
        if "denselayer" in key
        else key
        for key in keys
    }
    assert len(legacy - keys) > 900
    assert {module.LEGACY_KEY.sub(r"\1\2", key) for key in legacy} == keys


class RangeHandler(http.server.BaseHTTPRequestHandler):
    """Serves `content`, cutting off the first connection half-way, and supports Range as PyTorch's site does."""

    def __init__(self, content: bytes, state: dict, *args: object) -> None:
        self.content, self.state = content, state
        super().__init__(*args)

    def do_GET(self) -> None:
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.state.setdefault("ranges", []).append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        first = len(self.state["ranges"]) == 1
        self.wfile.write(self.content[start : len(self.content) // 2 if first else None])

    def log_message(self, *_: object) -> None:
        pass


CONTENT = b"weights " * 500_000


@pytest.fixture
def server() -> Iterator[tuple[str, dict]]:
    state: dict = {}
    handler = functools.partial(RangeHandler, CONTENT, state)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/x.pth", state
        listening.shutdown()


def test_a_broken_download_goes_on_where_it_stopped(server: tuple[str, dict], tmp_path: Path) -> None:
    url, state = server
    lines: list[str] = []
    path = fetch_url(url, hashlib.sha256(CONTENT).hexdigest(), tmp_path, lines.append, "again")
    assert path.read_bytes() == CONTENT
    assert state["ranges"][0] == 0
    assert state["ranges"][-1] > 0
    assert any("of 4 MB" in line for line in lines)


def test_a_download_with_another_hash_is_refused_with_both(server: tuple[str, dict], tmp_path: Path) -> None:
    url, _ = server
    found = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(WeightsRefused, match=f"expected sha256 deadbeef .* found sha256 {found}"):
        fetch_url(url, "deadbeef", tmp_path, print, "again")
    assert not list(tmp_path.rglob("*.p*"))


def test_an_unreachable_download_names_the_address_and_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"http://127.0.0.1:9/x.pth.*refused.*try another day"):
        fetch_url("http://127.0.0.1:9/x.pth", "deadbeef", tmp_path, print, "another day")
