"""What scores mean as probabilities."""

import numpy as np


def softmax(scores: np.ndarray) -> np.ndarray:
    """scores: float32 [classes], logits or log-probabilities → float32 [classes], 0 to 1, of sum 1."""
    exponentials = np.exp(scores - scores.max())
    return exponentials / exponentials.sum()
