"""DenseNet-161 (Huang et al. 2017, arXiv:1608.06993), as defined by torchvision."""

import re
from typing import Any

from torchvision.models import DenseNet

# The file that PyTorch publishes still has the names of 2017, such as `norm.1.weight` for today's `norm1.weight`.
LEGACY_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$")


class DenseNet161(DenseNet):
    """Maps normalised images, float32 [N, 3, 224, 224], to scores, float32 [N, 1000]."""

    def __init__(self) -> None:
        super().__init__(growth_rate=48, block_config=(6, 12, 36, 24), num_init_features=96)

    def load_state_dict(self, state_dict: dict, *args: Any, **kwargs: Any) -> Any:
        """Accepts the legacy names as well."""
        renamed = {LEGACY_KEY.sub(r"\1\2", key): value for key, value in state_dict.items()}
        return super().load_state_dict(renamed, *args, **kwargs)
