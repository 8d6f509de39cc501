"""KServe's SDK: a custom model behind its ModelServer, without Kubernetes."""

from typing import Any

from kserve import Model, ModelServer

from workload import MODEL, WORKERS, Workload


class ImageModel(Model):
    """The V1 protocol hands a body that is not JSON to `predict` as it came."""

    def load(self) -> bool:
        self.workload = Workload.from_environment()
        self.ready = True
        return self.ready

    async def predict(self, payload: bytes, headers: Any = None, response_headers: Any = None) -> dict:
        """payload: one image → the V1 protocol's answer."""
        return {"predictions": self.workload.answer_all([payload])}

    def __reduce__(self) -> tuple:
        """Of several workers each is spawned with a pickled model; an engine cannot travel, so each loads its own."""
        return loaded, (self.name,)


def loaded(name: str) -> ImageModel:
    """A model that is ready."""
    model = ImageModel(name)
    model.load()
    return model


if __name__ == "__main__":
    model = ImageModel(MODEL)
    if WORKERS == 1:
        model.load()
    model.ready = True  # of several workers the parent serves nothing
    ModelServer().start([model])  # the SDK reads its own options from the command line
