"""Say which pixels spoke for an answer, by integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

from pathlib import Path
from typing import Any, Optional

import numpy as np

STEPS = 15


class Explainer:
    """Explains with the model itself, whichever engine answers: gradients need PyTorch."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._module: Optional[Any] = None

    def explain(self, image: np.ndarray, target: int) -> list:
        """image: float32 [channels, height, width] → attributions for class `target`, nested lists of that shape."""
        # Imported here: torch, captum and matplotlib cost each worker seconds and 300 MB, and few requests ask why.
        import torch
        from captum.attr import IntegratedGradients

        from common.engines import load_module

        if self._module is None:
            self._module = load_module(self._folder, torch.device("cpu")).eval()
        inputs = torch.from_numpy(image[None])
        attributions = IntegratedGradients(self._module).attribute(inputs, target=target, n_steps=STEPS)
        return attributions[0].detach().tolist()
