"""Load MNIST as PyTorch tensors, and evaluate a network on them; used to train every version."""

from pathlib import Path

import torch
from dataset import read_images, read_labels
from torch import nn
from torch.nn import functional

MEAN, STD = 0.1307, 0.3081


def load(data: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a part ("train" or "t10k"): normalised images, float32 [N, 1, 28, 28], and labels, int64 [N]."""
    images = torch.from_numpy(read_images(data, part).copy()).unsqueeze(1).float().div_(255)
    labels = torch.from_numpy(read_labels(data, part).copy()).long()
    return images.sub_(MEAN).div_(STD), labels


def evaluate(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Return the mean loss (nats) and the accuracy (0 to 1) over all images."""
    model.eval()
    with torch.inference_mode():
        scores = torch.cat([model(batch) for batch in images.split(1000)])
    return functional.nll_loss(scores, labels).item(), (scores.argmax(1) == labels).float().mean().item()
