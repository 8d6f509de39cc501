"""Turn scores into probabilities."""

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    """Turn logits or log-probabilities, float32 [classes], into probabilities that add up to 1."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()
