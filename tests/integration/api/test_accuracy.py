"""The models are as accurate over HTTP as the builder measured: on MNIST's whole test set, and on real photos."""

import hashlib
import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image

from integration.support.stack import Deployment
from integration.support.store import entry_of

IMAGES_SHA256 = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
LABELS_SHA256 = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
IMAGE_HEADER_BYTES, LABEL_HEADER_BYTES = 16, 8
CLIENTS = 32


def idx_bytes(file: Path, sha256: str, header_bytes: int) -> NDArray[np.uint8]:
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    assert found == sha256, f"{file}: expected sha256 {sha256}, found {found}"
    return np.frombuffer(content, np.uint8, offset=header_bytes)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """pixels: uint8 [28, 28]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


class Client(threading.local):
    """One kept-alive connection per thread."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.trust_env = False

    def digit(self, url: str, body: bytes) -> str:
        answer = self.session.post(url, data=body, timeout=60)
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:300]}"
        return answer.text


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_all_10000_mnist_test_images_over_http_are_as_accurate_as_the_builder_said(
    running_stack: Deployment, mnist_test_files: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    pixels = idx_bytes(mnist_test_files / "t10k-images-idx3-ubyte", IMAGES_SHA256, IMAGE_HEADER_BYTES)
    labels = idx_bytes(mnist_test_files / "t10k-labels-idx1-ubyte", LABELS_SHA256, LABEL_HEADER_BYTES)
    bodies = [png(image) for image in pixels.reshape(-1, 28, 28)]
    assert len(bodies) == len(labels) == 10_000
    client, url = Client(), f"{running_stack.inference}/predictions/mnist/{version}"

    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as threads:
        answers = list(threads.map(lambda body: client.digit(url, body), bodies))
    seconds = time.monotonic() - started

    accuracy = sum(answer == str(label) for answer, label in zip(answers, labels, strict=True)) / len(labels)
    promised = entry_of(running_stack.model_store, "mnist", version)["accuracy"]["top1"]
    with capsys.disabled():
        print(f"\nmnist {version} over HTTP: {accuracy:.2%} right in {seconds:.1f} s, builder: {promised:.2%}")
    assert accuracy >= 0.99
    assert abs(accuracy - promised) <= 0.001


def test_at_least_17_of_20_real_photos_are_named_by_efficientnet_lite0(
    running_stack: Deployment, photos: dict[Path, int], capsys: pytest.CaptureFixture[str]
) -> None:
    labels = class_labels(running_stack.model_src / "efficientnet_lite0")
    right, mistakes = 0, []
    for photo, index in photos.items():
        answer = running_stack.predict("efficientnet_lite0", photo.read_bytes())
        assert answer.status_code == 200, f"{photo.name}: {answer.status_code} {answer.text[:300]}"
        best = next(iter(answer.json()))
        right += best == labels[index]
        mistakes += [] if best == labels[index] else [f"{photo.name}: {labels[index]} taken for {best}"]
    with capsys.disabled():
        print(f"\nefficientnet_lite0 over HTTP: {right} of {len(photos)} photos right; {'; '.join(mistakes)}")
    assert right >= 17


def class_labels(model: Path) -> list[str]:
    """The 1,000 words a model answers with, in class order."""
    names: dict[str, list[str]] = json.loads((model / "index_to_name.json").read_text())
    return [names[str(index)][1] for index in range(len(names))]
