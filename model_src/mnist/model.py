"""The MNIST network: two convolutions, max-pooling, dropout and two linear layers."""

import torch
from torch import nn
from torch.nn import functional


class MnistNet(nn.Module):
    """Maps normalised images, float32 [N, 1, 28, 28], to log-probabilities, float32 [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = functional.relu(self.conv1(images))
        # Pooling before ReLU gives the same result (ReLU is monotonic) with a quarter of the values.
        features = functional.relu(functional.max_pool2d(self.conv2(features), 2))
        features = torch.flatten(self.dropout1(features), 1)
        features = self.dropout2(functional.relu(self.fc1(features)))
        return functional.log_softmax(self.fc2(features), dim=1)
