"""Train the slim MNIST network: as 1.0 is, but on digits that are turned, scaled and shifted a little each time.

Two threads whatever the machine has, and deterministic kernels: on one kind of CPU the same data and seed give the
same bytes, in float32 on every CPU.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from tensors import MEAN, STD, evaluate, load
from torch import nn
from torch.nn import functional

BATCH = 256
EPOCHS = 5
MAX_LEARNING_RATE = 1.5e-2
WARM_UP = 0.25
LABEL_SMOOTHING = 0.05
# Each to either side: degrees, share of the size, pixels.
TURN, SCALE, SHIFT = 8.0, 0.08, 1.5
PAPER = -MEAN / STD


def train(model: nn.Module, data: Path, seed: int, log: Callable[[str], None]) -> list[dict[str, float]]:
    """Train `model` in place; returns one row per epoch with its losses (nats) and accuracies (0 to 1)."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    model.to(memory_format=torch.channels_last)
    images, labels = load(data, "train")
    test_images, test_labels = load(data, "t10k")
    optimiser = torch.optim.AdamW(model.parameters(), lr=MAX_LEARNING_RATE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=MAX_LEARNING_RATE, total_steps=EPOCHS * (len(images) // BATCH), pct_start=WARM_UP
    )
    history = []
    for epoch in range(1, EPOCHS + 1):
        loss, accuracy = _train_epoch(model, images, labels, optimiser, schedule)
        test_loss, test_accuracy = evaluate(model, test_images, test_labels)
        history.append({"loss": loss, "accuracy": accuracy, "test_loss": test_loss, "test_accuracy": test_accuracy})
        log(f"epoch {epoch}/{EPOCHS}: loss {loss:.4f}, test loss {test_loss:.4f}, test accuracy {test_accuracy:.2%}")
    model.to(memory_format=torch.contiguous_format)
    return history


def _train_epoch(model, images, labels, optimiser, schedule) -> tuple[float, float]:
    model.train()
    total_loss, correct, seen = 0.0, 0, 0
    order = torch.randperm(len(images))
    for batch in order[: len(images) // BATCH * BATCH].split(BATCH):
        scores = model(_moved(images[batch]).contiguous(memory_format=torch.channels_last))
        # The scores are log-probabilities already, which cross_entropy leaves as they are: it has the smoothing.
        loss = functional.cross_entropy(scores, labels[batch], label_smoothing=LABEL_SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        total_loss += loss.item() * len(batch)
        correct += int((scores.argmax(1) == labels[batch]).sum())
        seen += len(batch)
    return total_loss / seen, correct / seen


def _moved(images: torch.Tensor) -> torch.Tensor:
    """images: float32 [N, 1, 28, 28] → the same, each turned, scaled and shifted in its own way."""
    angle, size, right, down = torch.rand(4, len(images)).mul_(2).sub_(1)
    angle, size = angle * math.radians(TURN), 1 + size * SCALE
    # affine_grid counts from -1 to 1 across the image.
    right, down = (pixels * SHIFT / (images.shape[-1] / 2) for pixels in (right, down))
    cosine, sine = angle.cos() * size, angle.sin() * size
    moves = torch.stack([cosine, -sine, right, sine, cosine, down], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(moves, images.shape, align_corners=False)
    # Zero, which is what lies outside for grid_sample, has to mean paper.
    return functional.grid_sample(images - PAPER, grid, align_corners=False) + PAPER
