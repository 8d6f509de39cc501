"""Answer the bare digit."""

import numpy as np
from common.image_handler import ImageHandler


class MNISTDigitClassifier(ImageHandler):
    """A grey image of a handwritten digit, light on dark, in; the digit out."""

    def answer(self, scores: np.ndarray) -> int:
        """scores: float32 [10], log-probabilities → 0 to 9."""
        return int(scores.argmax())
