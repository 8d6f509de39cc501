"""Archives are reproducible byte for byte in every format, and their weights contain no code."""

import io
import json
import tarfile
import time
import zipfile

import pytest
import torch

from builder.job import SUFFIXES


@pytest.mark.parametrize("archive_format", SUFFIXES)
def test_the_same_input_gives_the_same_bytes(build, archive_format: str) -> None:
    first, _ = build(archive_format=archive_format)
    begun = int(time.time())
    while int(time.time()) == begun:
        time.sleep(0.05)  # the archiver's own timestamp has a resolution of one second
    second, _ = build(archive_format=archive_format)
    assert first["sha256"] == second["sha256"]
    assert first["bytes"] == second["bytes"] > 0


@pytest.mark.parametrize("archive_format", SUFFIXES)
def test_every_format_holds_the_same_files(build, archive_format: str) -> None:
    record, staging = build(archive_format=archive_format)
    archive = staging / record["archive"]
    if archive_format == "no-archive":
        names = {path.relative_to(archive).as_posix() for path in archive.rglob("*") if path.is_file()}
    elif archive_format == "tgz":
        with tarfile.open(archive) as tar:
            names = {name.partition("/")[2] for name in tar.getnames()}
    else:
        with zipfile.ZipFile(archive) as mar:
            names = set(mar.namelist())
    assert {"MAR-INF/MANIFEST.json", "model.py", "weights.pth", "handler.py", "model-config.yaml"} <= names
    assert "common/image_handler.py" in names


def test_the_weights_are_a_plain_state_dict(build) -> None:
    record, staging = build()
    with zipfile.ZipFile(staging / record["archive"]) as mar:
        state_dict = torch.load(io.BytesIO(mar.read("weights.pth")), weights_only=True)
        manifest = json.loads(mar.read("MAR-INF/MANIFEST.json"))
    assert set(state_dict) == {"linear.weight", "linear.bias"}
    assert manifest["model"]["modelName"] == "brightness"
    assert manifest["model"]["modelVersion"] == "1.0"
