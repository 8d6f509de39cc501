"""Say which pixels spoke for an answer, by integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365)."""

import numpy as np
import torch

STEPS = 15


def explain(engine, image: np.ndarray, target: int) -> list:
    """image: float32 [channels, height, width] → attributions for class `target`, nested lists of that shape."""
    # Imported here: captum and matplotlib beneath it cost each worker seconds, and few requests ask why.
    from captum.attr import IntegratedGradients

    inputs = torch.from_numpy(image[None]).to(engine.device)
    attributions = IntegratedGradients(engine.module).attribute(inputs, target=target, n_steps=STEPS)
    return attributions[0].detach().cpu().tolist()
