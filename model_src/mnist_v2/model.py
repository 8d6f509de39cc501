"""A slim MNIST network: three convolutions, each halved by max-pooling, and one linear layer."""

import torch
from torch import nn
from torch.nn import functional

CHANNELS = (12, 24, 48)


class SlimMnistNet(nn.Module):
    """Maps normalised images, float32 [N, 1, 28, 28], to log-probabilities, float32 [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CHANNELS
        self.features = nn.Sequential(*_block(1, first, 5), *_block(first, second, 3), *_block(second, third, 3))
        self.classifier = nn.Linear(third * 3 * 3, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.classifier(self.features(images).flatten(1)), dim=1)


def _block(channels_in: int, channels_out: int, kernel: int) -> list[nn.Module]:
    """Return one block; it pools first, so that normalisation and ReLU process only a quarter of the values."""
    return [
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]
