"""model.yaml: everything about one model, checked before any work is done."""

from pathlib import Path
from typing import Literal, Optional, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from builder.errors import SpecError

Sha256 = Field(pattern="^[0-9a-f]{64}$")
# PyTorch publishes the first eight digits as part of the file's name.
Sha256OrPrefix = Field(pattern="^[0-9a-f]{8,64}$")


class Section(BaseModel):
    """A section of model.yaml. Unknown keys are errors, so that a misspelt key is not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NpmPackage(Section):
    """A package from the npm registry; `sha256` is the hash of its tarball."""

    npm: str = Field(pattern="^.+@.+$")
    sha256: str = Sha256


class PythonPackage(Section):
    """A wheel from the package index; `sha256` is the hash of the wheel."""

    package: str = Field(pattern="^.+==.+$")
    sha256: str = Sha256


class Folder(Section):
    """A folder next to model.yaml."""

    folder: str


class TrainedWeights(Section):
    """Weights from a `train.py` with `train(model, data: Path, seed: int, log) -> history`."""

    train: str
    seed: int = 0


class UrlWeights(Section):
    """A state_dict to download."""

    url: str = Field(pattern="^https?://")
    sha256: str = Sha256OrPrefix


class FileWeights(Section):
    """A state_dict next to model.yaml. Without `sha256`, eight hex digits at the end of its name count as the hash."""

    file: str
    sha256: Optional[str] = Field(default=None, pattern="^[0-9a-f]{8,64}$")


class PackageWeights(Section):
    """A state_dict that a wheel contains at `path`; `sha256` is the hash of the state_dict."""

    package: str = Field(pattern="^.+==.+$")
    path: str
    sha256: str = Sha256


class RandomWeights(Section):
    """Untrained weights from this seed; only on explicit request, and reported as untrained everywhere."""

    random: int


Weights = Union[TrainedWeights, UrlWeights, FileWeights, PackageWeights, RandomWeights]


class Input(Section):
    """How an image is turned into the model's input; see common/model_input.py."""

    mode: Literal["L", "RGB"]
    mean: list[float]
    std: list[float]
    size: Optional[tuple[int, int]] = None
    resize: Optional[int] = Field(default=None, gt=0)
    crop: Optional[int] = Field(default=None, gt=0)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

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

    cpu: Literal["auto", "openvino", "onnxruntime", "torchscript", "eager"] = "auto"
    precision: Precision = "f32"
    alternatives: list[Precision] = []
    gpu_precision: Literal["f32", "bf16", "f16"] = "f16"

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

    min_accuracy: float = Field(default=0.0, ge=0, le=1)
    max_accuracy_drop: float = Field(default=0.0, ge=0, le=1)
    max_top1_disagreement: float = Field(default=0.0, ge=0, le=1)


class Objective(Section):
    """The model's service level objective, against which alerts and dashboards measure it.

    `p99`: seconds within which 99 of 100 requests are answered; `availability`: the fraction not answered with 5xx.
    """

    p99: float = Field(default=1.0, gt=0)
    availability: float = Field(default=0.999, gt=0, lt=1)


class Serving(Section):
    """TorchServe's own keys, passed through: maxBatchDelay in milliseconds, timeouts in seconds.

    `threads` is not TorchServe's: it is the number of threads of one worker's engine.
    """

    minWorkers: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    maxWorkers: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    batchSize: int = Field(default=1, ge=1)  # noqa: N815
    # 0: a batch is whatever is in the queue; no request waits for another (docker/torchserve/java).
    maxBatchDelay: int = Field(default=1, ge=0)  # noqa: N815
    # None: config.properties' job_queue_size.
    jobQueueSize: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    # None: config.properties' default_response_timeout and default_startup_timeout.
    responseTimeout: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    startupTimeout: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    threads: Optional[int] = Field(default=None, ge=1)


class ModelSpec(Section):
    """One version of a model. Its files are next to model.yaml, or in another model's folder: `../mnist/samples`."""

    # pydantic reserves the prefix `model_` by default; the field `model` (`model: model.py`) is ours.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")
    version: str = Field(pattern="^[0-9]+([.][0-9]+)*$")
    # Served alongside the other versions, but never the default version until it is promoted.
    candidate: bool = False
    model: str = "model.py"
    torchscript: bool = False
    handler: str = "common/image_classifier.py"
    weights: Weights
    packages: list[PythonPackage] = []
    data: Optional[Union[NpmPackage, PythonPackage, Folder]] = None
    labelled: Optional[str] = None
    calibration: Optional[str] = None
    engine: Engine = Engine()
    input: Input
    classes: Optional[str] = None
    accept: Accept = Accept()
    serving: Serving = Serving()
    objective: Objective = Objective()
    samples: str = "samples"

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
            "a model.yaml as described in the README",
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
