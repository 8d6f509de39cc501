"""The tests' small model, with weights that recognise bright images, and with its samples as a labelled set."""

from pathlib import Path

import torch

from builder.spec import Folder, load_spec


def trained(model_folder: Path, **changes: object):
    """Return the small model's spec with weights from a file, which give class 1 for bright images."""
    torch.save(
        {"linear.weight": torch.tensor([[0.0] * 16, [1.0] * 16]), "linear.bias": torch.zeros(2)},
        model_folder / "weights.pth",
    )
    text = (model_folder / "model.yaml").read_text().replace("{random: 0}", "{file: weights.pth}")
    (model_folder / "model.yaml").write_text(text)
    return load_spec(model_folder / "model.yaml").model_copy(update=changes)


def labelled() -> dict:
    return {"data": Folder(folder="samples"), "labelled": "dataset.py"}


def write_labelled(model_folder: Path, label: int) -> None:
    (model_folder / "dataset.py").write_text(
        f"def labelled_images(data):\n    return [((data / 'bright.png').read_bytes(), {label})] * 2\n"
    )
