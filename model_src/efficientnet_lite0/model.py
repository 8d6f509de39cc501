"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946) as the package that ships its weights defines it."""

from efficientnet_lite_pytorch import EfficientNet, get_model_params


class EfficientNetLite0(EfficientNet):
    """images: float32 [N, 3, 224, 224], normalised → scores: float32 [N, 1000]."""

    def __init__(self) -> None:
        blocks, parameters = get_model_params("efficientnet-lite0", {})
        super().__init__(blocks, parameters)
