"""docs/reference/model-store.md names every key of the store's files, and its examples are what the contract writes."""

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from contract.manifest import AVAILABLE, MANIFEST, REPORTS, SAMPLES, SBOM, UNAVAILABLE, manifest_text, read_manifest
from contract.releases import RELEASES, Canary, Release, read_releases, releases_text
from contract.tuned import MIN_VALUES, TUNED, Tuned, read_tuned, tuned_text
from stackcli.common.paths import ROOT

PAGE = ROOT / "docs/reference/model-store.md"
BUILDER = ROOT / "docker/builder/builder"
MEND = "`scripts/stack test tests/checks/test_model_store_page.py --write-docs`"

RECORD: dict[str, Any] = {
    "name": "mnist",
    "version": "1.0",
    "status": AVAILABLE,
    "archive": "mnist-1.0.mar",
    "format": "zip-store",
    "sha256": "5f0c0e5d",
    "bytes": 6421734,
    "engine": "openvino",
    "precision": "int8",
    "precisions": {
        "int8": {
            "max_abs_error": 0.71,
            "max_relative_error": 0.012,
            "top1_disagreement": 0.0003,
            "images": 10000,
            "accuracy": 0.9912,
            "eager_accuracy": 0.9913,
        }
    },
    "trained": True,
    "weights": {"origin": "trained here by train.py (seed 0)", "sha256": "b41d7a90"},
    "accuracy": {"top1": 0.9912, "images": 10000},
    "seconds": {"weights": 141.0, "export": 1.2, "check": 9.8, "archive": 0.4},
    "serving": {"batchSize": 32, "maxBatchDelay": 0},
    "input": {"mode": "L", "mean": [0.1307], "std": [0.3081], "size": [28, 28], "interpolation": "bilinear"},
    "candidate": False,
    "objective": {"p99": 1.0, "availability": 0.999},
    "samples": [{"file": "7.png", "expected": "7", "sha256": "0a6be1f3"}],
    "report": "reports/mnist-1.0.html",
    "source_sha256": "c8d3772e",
    "scan": {"tool": "picklescan 1.0.5", "files": 21, "pickles": 1},
    "sbom": {"sha256": "9b1fd4c2", "file": "sbom/mnist-1.0.cdx.json"},
    "built_at": "2026-11-29T12:00:00+00:00",
    "signature": {"keyid": "71ab09c4", "sig": "30e5d2f8"},
}
LEFT_OUT = {
    "name": "densenet161",
    "version": "1.0",
    "status": UNAVAILABLE,
    "reason": "expected the weights at https://…, found gaierror: Name or service not known",
    "expected": "the weights at https://…",
    "found": "gaierror: Name or service not known",
    "remedy": "again when that address answers, or copy the file to model_src/densenet161/…",
}
RELEASE = Release("1.0", ("1.0", "2.0"), None, Canary("2.0", 10, "X-Client-Id"))
TUNING = Tuned(
    "p99=20",
    {"workers": 1, "threads": 2, "precision": "bf16"},
    date="2026-11-29",
    cpu="AMD EPYC",
    cpus=2,
    connections=64,
    figures={"rate": 2100.0, "p99_ms": 18.4},
)
EXAMPLES = {
    MANIFEST: manifest_text([LEFT_OUT, RECORD]).replace("\\u2026", "…"),
    RELEASES: releases_text({"mnist": RELEASE}),
    TUNED: tuned_text({"mnist 1.0": TUNING}),
}


def block(name: str) -> re.Pattern[str]:
    """The example of that file on the page, in a fence behind its marker."""
    return re.compile(rf"(<!-- example: {re.escape(name)} -->\n```json\n)(.*?)(```\n)", re.DOTALL)


def record_keys() -> set[str]:
    """What the builder writes into a record, as its sources say: nothing of it can be imported here."""
    made = ast.parse((BUILDER / "model.py").read_text())
    (build_model,) = (n for n in ast.walk(made) if isinstance(n, ast.FunctionDef) and n.name == "build_model")
    (returned,) = (
        n.value for n in ast.walk(build_model) if isinstance(n, ast.Return) and isinstance(n.value, ast.Dict)
    )
    keys = {str(key.value) for key in returned.keys if isinstance(key, ast.Constant)}
    for file in (BUILDER / "build.py", BUILDER / "publish/signing.py", BUILDER / "publish/store.py"):
        text = file.read_text()
        keys |= set(re.findall(r'\{\*\*(?:record|old), "(\w+)":', text))
        keys |= set(re.findall(r'^ +record\["(\w+)"\] = ', text, re.MULTILINE))
        for found in re.findall(r"why = \{(.*?)\}", text):
            keys |= set(re.findall(r'"(\w+)":', found))
    return keys | {"status"}


@pytest.mark.parametrize("kind", [Release, Canary, Tuned])
def test_every_key_of_the_contracts_dataclasses_is_told(kind: type) -> None:
    # `more` is no key: it holds the keys of a newer version.
    keys = {field.name for field in dataclasses.fields(kind)} - {"more"}
    assert keys - told(PAGE.read_text()) == set()


def test_every_key_of_a_record_is_told() -> None:
    assert {"built_at", "signature", "pending", "remedy"} <= record_keys()
    assert record_keys() - told(PAGE.read_text()) == set()


def test_every_setting_that_may_be_tuned_is_told() -> None:
    assert set(MIN_VALUES) - told(PAGE.read_text()) == set()


def test_every_file_and_folder_is_told() -> None:
    page = PAGE.read_text()
    assert [
        name
        for name in (MANIFEST, RELEASES, TUNED, *(f"{one}/" for one in (REPORTS, SAMPLES, SBOM)))
        if name not in page
    ] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_what_the_contract_writes(name: str, write_docs: bool) -> None:
    text = PAGE.read_text()
    if write_docs:
        text = block(name).sub(lambda found: f"{found[1]}{EXAMPLES[name]}{found[3]}", text)
        PAGE.write_text(text)
    found = block(name).search(text)
    assert found, f"expected an example of {name} behind its marker, found none"
    assert found[2] == EXAMPLES[name], f"try {MEND}"


def test_the_examples_are_read_as_they_are_meant(tmp_path: Path) -> None:
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    assert read_manifest(tmp_path) == [LEFT_OUT, RECORD]
    assert read_releases(tmp_path) == ({"mnist": RELEASE}, [])
    assert read_tuned(tmp_path) == {"mnist 1.0": TUNING}
    assert record_keys() - {*RECORD, *LEFT_OUT} == {"pending"}


def told(page: str) -> set[str]:
    """The words in code font of the page's tables and sentences; the examples do not count."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return {word for code in re.findall(r"`([^`]+)`", prose) for word in re.findall(r"\w+", code)}
