"""Train the slim MNIST network like 1.0, but on digits that are randomly rotated, scaled and shifted a little.

It always uses two threads, deterministic kernels and float32, so that on one kind of CPU the same data and seed give
the same bytes.
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
# Maximum in either direction: degrees, fraction of the size, pixels.
TURN, SCALE, SHIFT = 8.0, 0.08, 1.5
PAPER = -MEAN / STD


def train(model: nn.Module, data: Path, seed: int, log: Callable[[str], None]) -> list[dict[str, float]]:
    """Train `model` in place. Return one row per epoch with losses (nats) and accuracies (0 to 1)."""
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
        # cross_entropy, for its label smoothing; it does not change scores that are log-probabilities already.
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
    """Return the images, float32 [N, 1, 28, 28], each randomly rotated, scaled and shifted."""
    angle, size, right, down = torch.rand(4, len(images)).mul_(2).sub_(1)
    angle, size = angle * math.radians(TURN), 1 + size * SCALE
    # affine_grid's coordinates range from -1 to 1 across the image.
    right, down = (pixels * SHIFT / (images.shape[-1] / 2) for pixels in (right, down))
    cosine, sine = angle.cos() * size, angle.sin() * size
    moves = torch.stack([cosine, -sine, right, sine, cosine, down], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(moves, images.shape, align_corners=False)
    # grid_sample fills in zeros from outside the image, so zero has to mean paper.
    return functional.grid_sample(images - PAPER, grid, align_corners=False) + PAPER
