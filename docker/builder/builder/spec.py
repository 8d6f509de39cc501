"""model.yaml: everything about one model, checked before any work is done."""

from pathlib import Path
from typing import Literal, Optional, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from builder.errors import SpecError

Sha256 = Field(pattern="^[0-9a-f]{64}$", description="64 hex digits")
# PyTorch publishes the first eight digits as part of the file's name.
Sha256OrPrefix = Field(pattern="^[0-9a-f]{8,64}$", description="At least its first 8 hex digits")


class Section(BaseModel):
    """A section of model.yaml. Unknown keys are errors, so that a misspelt key is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NpmPackage(Section):
    """A package from the npm registry; `sha256` is the hash of its tarball."""

    npm: str = Field(pattern="^.+@.+$", description="`NAME@VERSION`")
    sha256: str = Sha256


class PythonPackage(Section):
    """A wheel from the package index; `sha256` is the hash of the wheel."""

    package: str = Field(pattern="^.+==.+$", description="`NAME==VERSION`")
    sha256: str = Sha256


class Folder(Section):
    """A folder next to model.yaml."""

    folder: str = Field(description="Its name")


class TrainedWeights(Section):
    """Weights from a `train.py` with `train(model, data: Path, seed: int, log) -> history`."""

    train: str = Field(description="The file with `train`")
    seed: int = Field(default=0, description="The seed of the random numbers")


class UrlWeights(Section):
    """A state_dict to download."""

    url: str = Field(pattern="^https?://", description="Its address")
    sha256: str = Sha256OrPrefix


class FileWeights(Section):
    """A state_dict next to model.yaml. Without `sha256`, eight hex digits at the end of its name count as the hash."""

    file: str = Field(description="Its name")
    sha256: Optional[str] = Field(default=None, pattern="^[0-9a-f]{8,64}$", description=Sha256OrPrefix.description)


class PackageWeights(Section):
    """A state_dict that a wheel contains at `path`; `sha256` is the hash of the state_dict."""

    package: str = Field(pattern="^.+==.+$", description="`NAME==VERSION`")
    path: str = Field(description="Where it lies in the wheel")
    sha256: str = Sha256


class RandomWeights(Section):
    """Untrained weights from this seed; only on explicit request, and reported as untrained everywhere."""

    random: int = Field(description="The seed")


Weights = Union[TrainedWeights, UrlWeights, FileWeights, PackageWeights, RandomWeights]


class Input(Section):
    """How an image is turned into the model's input; see common/model_input.py."""

    mode: Literal["L", "RGB"] = Field(description="Grey or colour")
    mean: list[float] = Field(description="Of the training images, per channel, for pixels scaled to 0 to 1")
    std: list[float] = Field(description="Their standard deviation, in the same way")
    size: Optional[tuple[int, int]] = Field(
        default=None, description="Stretch the image to this; or `resize` and `crop`"
    )
    resize: Optional[int] = Field(default=None, gt=0, description="Scale the shorter side to this, in pixels")
    crop: Optional[int] = Field(default=None, gt=0, description="Then cut this square out of the middle, in pixels")
    interpolation: Literal["bilinear", "bicubic"] = Field(default="bilinear", description="How `resize` scales")

    @model_validator(mode="after")
    def _one_way_to_fit(self) -> "Input":
        if (self.size is None) == (self.resize is None or self.crop is None):
            raise ValueError("expected either `size`, or both `resize` and `crop`")
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise ValueError(f"expected `crop` to be at most `resize`, found {self.crop} > {self.resize}")
        channels = {"L": 1, "RGB": 3}[self.mode]
        if not len(self.mean) == len(self.std) == channels:
            raise ValueError(f"expected {channels} values in `mean` and in `std` for mode {self.mode}")
        return self


Precision = Literal["f32", "bf16", "int8"]


class Engine(Section):
    """What runs the model. `auto`: OpenVINO if the model can be converted to it, else the model itself.

    `precision` is the one in service; `alternatives` are checked and archived with it for `scripts/stack tune`.
    """

    cpu: Literal["auto", "openvino", "onnxruntime", "torchscript", "eager"] = Field(
        default="auto", description="The engine on CPUs"
    )
    precision: Precision = Field(
        default="f32", description="The precision on CPUs; only `openvino` has others than f32"
    )
    alternatives: list[Precision] = Field(default=[], description="Further precisions for `scripts/stack tune`")
    gpu_precision: Literal["f32", "bf16", "f16"] = Field(default="f16", description="The precision on GPUs")

    @model_validator(mode="after")
    def _precisions_of_the_engine(self) -> "Engine":
        if self.cpu not in ("auto", "openvino") and {self.precision, *self.alternatives} != {"f32"}:
            raise ValueError(f"expected f32, the only precision of {self.cpu}")
        return self

    @property
    def precisions(self) -> list[str]:
        """All precisions, the one in service first; f32 is always among them, for CPUs without the others."""
        return list(dict.fromkeys([self.precision, *self.alternatives, "f32"]))


class Accept(Section):
    """Limits that a model must meet to be published (fractions, 0 to 1); the last two compare with the eager model."""

    min_accuracy: float = Field(default=0.0, ge=0, le=1, description="The least accuracy on `labelled` images")
    max_accuracy_drop: float = Field(default=0.0, ge=0, le=1, description="How much less accurate than the eager model")
    max_top1_disagreement: float = Field(default=0.0, ge=0, le=1, description="The share of differing answers")


class Objective(Section):
    """The model's service level objective, against which alerts and dashboards measure it.

    `p99`: seconds within which 99 of 100 requests are answered; `availability`: the fraction not answered with 5xx.
    """

    p99: float = Field(default=1.0, gt=0, description="Seconds within which 99 of 100 requests are answered")
    availability: float = Field(default=0.999, gt=0, lt=1, description="Share of the requests not answered 5xx")


class Serving(Section):
    """TorchServe's own keys, passed through: maxBatchDelay in milliseconds, timeouts in seconds.

    `threads` is not TorchServe's: it is the number of threads of one worker's engine.
    """

    minWorkers: Optional[int] = Field(default=None, ge=1, description="Workers; none: sized to the CPUs")  # noqa: N815
    maxWorkers: Optional[int] = Field(default=None, ge=1, description="The largest number of workers")  # noqa: N815
    batchSize: int = Field(default=1, ge=1, description="The largest number of requests in a batch")  # noqa: N815
    maxBatchDelay: int = Field(  # noqa: N815
        default=1, ge=0, description="Milliseconds to wait for more requests; 0: a batch is whatever waits already"
    )
    jobQueueSize: Optional[int] = Field(  # noqa: N815
        default=None, ge=1, description="Requests that may wait; none: `job_queue_size` of config.properties"
    )
    responseTimeout: Optional[int] = Field(  # noqa: N815
        default=None, ge=1, description="Seconds for a batch; none: `default_response_timeout` of config.properties"
    )
    startupTimeout: Optional[int] = Field(  # noqa: N815
        default=None, ge=1, description="Seconds to load; none: `default_startup_timeout` of config.properties"
    )
    threads: Optional[int] = Field(default=None, ge=1, description="Threads of one worker's engine")


class ModelSpec(Section):
    """One version of a model. Its files are next to model.yaml, or in another model's folder: `../mnist/samples`."""

    # pydantic reserves the prefix `model_` by default; the field `model` (`model: model.py`) is ours.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", description="The model's name in a request's path")
    version: str = Field(pattern="^[0-9]+([.][0-9]+)*$", description="In quotes; the newest is served by default")
    candidate: bool = Field(default=False, description="Serve it alongside the others, without traffic until promoted")
    model: str = Field(default="model.py", description="The file with exactly one `nn.Module` class")
    torchscript: bool = Field(default=False, description="Archive a ScriptModule in place of code and state_dict")
    handler: str = Field(default="common/image_classifier.py", description="The file with one handler class")
    weights: Weights = Field(description="Where the state_dict comes from")
    packages: list[PythonPackage] = Field(default=[], description="Wheels that the model's file needs in the builder")
    data: Optional[Union[NpmPackage, PythonPackage, Folder]] = Field(default=None, description="The data set")
    labelled: Optional[str] = Field(
        default=None, description="The file with `labelled_images(data)`, which yields (image bytes, class index)"
    )
    calibration: Optional[str] = Field(
        default=None,
        description="The file with `calibration_images(data)`, which yields image bytes, for int8's scales",
    )
    engine: Engine = Field(default=Engine(), description="What computes the model")
    input: Input = Field(description="How an image becomes the model's input")
    classes: Optional[str] = Field(default=None, description="The classes' names: TorchServe's index_to_name.json")
    accept: Accept = Field(default=Accept(), description="Limits past which nothing is published")
    serving: Serving = Field(default=Serving(), description="Workers, batches, queue and timeouts")
    objective: Objective = Field(default=Objective(), description="What is promised of it")
    samples: str = Field(
        default="samples", description="The folder of images to try before publishing, with answers in expected.json"
    )

    @model_validator(mode="after")
    def _calibrated(self) -> "ModelSpec":
        if "int8" in self.engine.precisions and not (self.calibration and self.data):
            raise ValueError("expected `calibration` (and its `data`) for int8, whose scales come from real images")
        return self

    @property
    def key(self) -> str:
        """The name of its archive and of its report, without suffix."""
        return f"{self.name}-{self.version}"

    def folders(self, own: Path) -> list[Path]:
        """Return the folders of its code: its own, then those of other models whose files it names."""
        train = self.weights.train if isinstance(self.weights, TrainedWeights) else None
        named = (self.model, self.handler, train, self.labelled, self.calibration, self.classes, self.samples)
        parts = [Path(name).parts for name in named if name]
        return list(dict.fromkeys([own, *(own.parent / part[1] for part in parts if part[0] == "..")]))

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def load_spec(path: Path) -> ModelSpec:
    """Read and check one model.yaml. Raises SpecError, which names the line."""
    text = path.read_text()
    try:
        document = yaml.safe_load(text)
        return ModelSpec.model_validate(document)
    except yaml.YAMLError as error:
        raise SpecError("YAML", f"{path.parent.name}/{path.name}: {error}", "correcting that line") from None
    except ValidationError as error:
        lines = _line_numbers(text)
        problems = [_describe(problem, lines) for problem in _without_other_kinds(error.errors(), document)]
        raise SpecError(
            "a model.yaml as docs/reference/model-yaml.md describes it",
            f"in {path.parent.name}/{path.name} " + "; ".join(problems),
            "correcting those lines",
        ) from None


def override_weights(spec: ModelSpec, text: str) -> ModelSpec:
    """Return the spec with `random:SEED` or `file:NAME` in place of model.yaml's weights. Raises SpecError."""
    kind, _, value = text.partition(":")
    if kind == "random" and value.isdigit():
        return spec.model_copy(update={"weights": RandomWeights(random=int(value))})
    if kind == "file" and value:
        return spec.model_copy(update={"weights": FileWeights(file=value)})
    raise SpecError("weights as `random:SEED` or `file:NAME`", repr(text), f"MODEL_WEIGHTS={spec.name}=random:0")


def _describe(problem: dict, lines: dict[tuple, int]) -> str:
    location = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part[:1].isupper()))
    known = next(location[:size] for size in range(len(location), -1, -1) if location[:size] in lines)
    name = ".".join(str(part) for part in location) or "the file"
    what = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
    return f"line {lines[known]}: {name}: {what}"


def _without_other_kinds(problems: list[dict], document: object) -> list[dict]:
    """A union reports the problems of every kind: keep those of the kind whose first key is in the document."""
    kinds = {kind.__name__: next(iter(kind.model_fields)) for kind in Section.__subclasses__()}
    section = document if isinstance(document, dict) else {}
    kept = [
        problem
        for problem in problems
        if len(problem["loc"]) < 2
        or problem["loc"][1] not in kinds
        or kinds[problem["loc"][1]] in (section.get(problem["loc"][0]) or {})
    ]
    return kept or problems[:1]


def _line_numbers(text: str) -> dict[tuple, int]:
    """Return {path of keys: 1-based line} for every key of a YAML document."""
    lines: dict[tuple, int] = {(): 1}

    def visit(node: Optional[yaml.Node], path: tuple) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                lines[(*path, key.value)] = key.start_mark.line + 1
                visit(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                lines[(*path, index)] = value.start_mark.line + 1
                visit(value, (*path, index))

    visit(yaml.compose(text), ())
    return lines
