"""MLServer: a custom inference runtime, the image as base64 in a V2 inference request."""

import json

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from workload import Workload


class ImageRuntime(MLModel):
    """Adaptive batching puts the images of several requests into one."""

    async def load(self) -> bool:
        self.workload = Workload.from_environment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """inputs[0]: one or more images → outputs[0]: their answers as JSON text."""
        images = self.decode(payload.inputs[0], default_codec=Base64Codec)
        answers = [json.dumps(answer) for answer in self.workload.answer_all(images)]
        return InferenceResponse(model_name=self.name, outputs=[StringCodec.encode_output("answer", answers)])
