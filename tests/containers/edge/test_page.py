"""The playground gets models, samples and files, but nothing that differs from the manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import record
from supervisor.models import read_models
from supervisor.page import MAX_BYTES, models_json, page_files, sample_files

PICTURE = b"a picture"


@pytest.fixture
def sampled(store: Path, publish: Callable[..., None]) -> Callable[..., list[str]]:
    """Publishes one sample with the given changes; returns the paths at which samples are served."""

    def make(content: bytes = PICTURE, **changes: Any) -> list[str]:
        sample = {"file": "7.png", "expected": "7", "sha256": hashlib.sha256(PICTURE).hexdigest(), **changes}
        folder = store / "samples/m-1.0"
        folder.mkdir(parents=True)
        (folder / "7.png").write_bytes(content)
        publish(record("m", samples=[sample]))
        return [file.path for file in sample_files(store, read_models(store).routed)]

    return make


def test_a_sample_is_served_below_its_version(sampled: Callable[..., list[str]]) -> None:
    assert sampled() == ["/playground/samples/m/1.0/7.png"]


def test_samples_are_for_who_has_a_key(store: Path, sampled: Callable[..., list[str]]) -> None:
    assert sampled()
    assert [(file.public, file.type) for file in sample_files(store, read_models(store).routed)] == [
        (False, "image/png")
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"content": b"another picture"},
        {"content": bytes(MAX_BYTES + 1), "sha256": hashlib.sha256(bytes(MAX_BYTES + 1)).hexdigest()},
        {"file": "../../manifest.json"},
        {"file": 'a" b'},
        {"file": "none.png"},
        {"sha256": None},
    ],
    ids=["altered", "too large", "outside", "unsafe name", "missing", "no hash"],
)
def test_a_sample_that_is_not_the_manifests_is_left_out(
    sampled: Callable[..., list[str]], changes: dict[str, Any]
) -> None:
    assert sampled(**changes) == []


def test_the_data_say_what_is_served_and_what_is_not(
    store: Path, sampled: Callable[..., list[str]], publish: Callable[..., None]
) -> None:
    assert sampled()
    records = [*json.loads((store / "manifest.json").read_text())["models"]]
    records.append(record("n", status="unavailable", reason="no weights", remedy="copy the file"))
    records.append(record("u", trained=False))
    publish(*records)
    models = read_models(store)
    data = json.loads(models_json(models.routed, models.unavailable, sample_files(store, models.routed), keys=True))
    assert data["keys"] is True
    assert data["unavailable"] == [{"name": "n", "version": "1.0", "reason": "no weights", "remedy": "copy the file"}]
    first, untrained = data["models"]
    assert (first["name"], first["stable"], first["previous"], first["canary"]) == ("m", "1.0", None, None)
    assert first["versions"][0]["samples"] == [
        {"file": "7.png", "expected": "7", "url": "/playground/samples/m/1.0/7.png"}
    ]
    assert (first["versions"][0]["trained"], untrained["versions"][0]["trained"]) == (True, False)


def test_the_generation_names_the_content(store: Path, publish: Callable[..., None]) -> None:
    def generation(keys: bool = False) -> str:
        return str(json.loads(models_json(read_models(store).routed, (), [], keys))["generation"])

    publish(record("m"))
    first = generation()
    assert generation() == first
    assert generation(keys=True) != first
    publish(record("m", "2.0"))
    assert generation() != first


def test_the_pages_own_files_are_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "app.js").write_text("1")
    (tmp_path / "large.bin").write_bytes(bytes(MAX_BYTES + 1))
    found = [(file.path, file.type, file.public) for file in page_files(tmp_path)]
    assert found == [
        ("/playground/app.js", "text/javascript; charset=utf-8", True),
        ("/", "text/html; charset=utf-8", True),
    ]


def test_no_file_of_the_page_is_too_large_to_be_served() -> None:
    page = Path("/opt/stack/page")
    assert len(page_files(page)) == sum(file.is_file() for file in page.rglob("*")) > 1
