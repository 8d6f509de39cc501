# mypy: ignore-errors
"""Runs inside the builder image: torchvision's own densenet161, to compare with what builder and server make of it.

predict SEED CLASSES PHOTO   prints {label: probability} of the five best, with random weights from that seed
legacy SEED FILE             saves those weights with the keys of PyTorch's published file (`norm.1` for `norm1`)
same SEED ARCHIVE            fails unless the archive holds exactly those weights
"""

import io
import json
import re
import sys
import zipfile
from pathlib import Path

import torch
import torchvision
from PIL import Image
from torchvision import transforms

IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
NEWER_THAN_THE_FILE = "num_batches_tracked"
LAYER = re.compile(r"(denselayer\d+\.)(norm|relu|conv)(\d\.)")


def untrained_model(seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torchvision.models.densenet161(weights=None).eval()


def predict(seed: int, classes: Path, photo: Path) -> None:
    preprocess = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
    names = json.loads(classes.read_text())
    image = preprocess(Image.open(photo).convert("RGB")).unsqueeze(0)
    with torch.inference_mode():
        probabilities = untrained_model(seed)(image).softmax(1)[0]
    best = probabilities.topk(5).indices.tolist()
    print(json.dumps({names[str(index)][1]: float(probabilities[index]) for index in best}))


def legacy(seed: int, file: Path) -> None:
    current = untrained_model(seed).state_dict()
    state = {
        LAYER.sub(r"\1\2.\3", key): value for key, value in current.items() if not key.endswith(NEWER_THAN_THE_FILE)
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, file)


def same(seed: int, archive: Path) -> None:
    with zipfile.ZipFile(archive) as mar:
        serialized = json.loads(mar.read("MAR-INF/MANIFEST.json"))["model"]["serializedFile"]
        found = torch.load(io.BytesIO(mar.read(serialized)), weights_only=True)
    expected = untrained_model(seed).state_dict()
    assert found.keys() == expected.keys(), f"other keys: {sorted(found.keys() ^ expected.keys())[:4]}"
    differing = [key for key in expected if not torch.equal(expected[key], found[key])]
    assert not differing, f"other values: {differing[:4]}"


if __name__ == "__main__":
    task, seed, *paths = sys.argv[1:]
    {"predict": predict, "legacy": legacy, "same": same}[task](int(seed), *map(Path, paths))
