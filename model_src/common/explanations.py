"""Explain an answer by pixels, using integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from pathlib import Path
from typing import Any, Optional

import numpy as np

STEPS = 15


class Explainer:
    """Explains with the PyTorch model, whichever engine answers, because gradients need PyTorch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._module: Optional[Any] = None

    def explain(self, image: np.ndarray, target: int) -> list:
        """Return attributions for class `target`, nested lists of image's shape; float32 [channels, height, width]."""
        # Imported here because torch, captum and matplotlib cost each worker seconds and 300 MB; explanations are rare.
        import torch
        from captum.attr import IntegratedGradients

        from common.engines import load_module

        if self._module is None:
            self._module = load_module(self._folder, torch.device("cpu")).eval()
        inputs = torch.from_numpy(image[None])
        attributions = IntegratedGradients(self._module).attribute(inputs, target=target, n_steps=STEPS)
        return attributions[0].detach().tolist()
