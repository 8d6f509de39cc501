"""model.yaml: everything about one model, checked before any work is done."""

from pathlib import Path
from typing import Literal, Optional, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from builder.errors import SpecError

Sha256 = Field(pattern="^[0-9a-f]{64}$")
# PyTorch publishes the first eight digits, in the file's name.
Sha256OrPrefix = Field(pattern="^[0-9a-f]{8,64}$")


class Section(BaseModel):
    """Unknown keys are errors: a misspelt key must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NpmPackage(Section):
    """A package of the npm registry; `sha256` is that of its tarball."""

    npm: str = Field(pattern="^.+@.+$")
    sha256: str = Sha256


class PythonPackage(Section):
    """A wheel of the package index; `sha256` is that of the wheel."""

    package: str = Field(pattern="^.+==.+$")
    sha256: str = Sha256


class Folder(Section):
    """A folder beside model.yaml."""

    folder: str


class TrainedWeights(Section):
    """`train.py` with `train(model, data: Path, seed: int, log) -> history`."""

    train: str
    seed: int = 0


class UrlWeights(Section):
    """A state_dict to download."""

    url: str = Field(pattern="^https?://")
    sha256: str = Sha256OrPrefix


class FileWeights(Section):
    """A state_dict beside model.yaml. Without `sha256`, eight hex digits at the end of its name count as one."""

    file: str
    sha256: Optional[str] = Field(default=None, pattern="^[0-9a-f]{8,64}$")


class PackageWeights(Section):
    """A state_dict that a wheel ships at `path`; `sha256` is that of the state_dict."""

    package: str = Field(pattern="^.+==.+$")
    path: str
    sha256: str = Sha256


class RandomWeights(Section):
    """Untrained weights from this seed: asked for by name, and said so everywhere."""

    random: int


Weights = Union[TrainedWeights, UrlWeights, FileWeights, PackageWeights, RandomWeights]


class Input(Section):
    """How an image becomes the model's input; see common/model_input.py."""

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
            raise ValueError("expected either `size`, or `resize` and `crop`")
        if self.resize is not None and self.crop is not None and self.crop > self.resize:
            raise ValueError(f"expected `crop` at most `resize`, found {self.crop} > {self.resize}")
        channels = {"L": 1, "RGB": 3}[self.mode]
        if not len(self.mean) == len(self.std) == channels:
            raise ValueError(f"expected {channels} values in `mean` and in `std` for mode {self.mode}")
        return self


Precision = Literal["f32", "bf16", "int8"]


class Engine(Section):
    """What computes the model. `auto`: OpenVINO where the model converts to it, else the model itself.

    `precision` is the one served, `alternatives` are checked and archived beside it for `scripts/stack tune`.
    """

    cpu: Literal["auto", "openvino", "onnxruntime", "torchscript", "eager"] = "auto"
    precision: Precision = "f32"
    alternatives: list[Precision] = []
    gpu_precision: Literal["f32", "bf16", "f16"] = "f16"

    @model_validator(mode="after")
    def _precisions_of_the_engine(self) -> "Engine":
        if self.cpu not in ("auto", "openvino") and {self.precision, *self.alternatives} != {"f32"}:
            raise ValueError(f"expected f32, the one precision of {self.cpu}")
        return self

    @property
    def precisions(self) -> list[str]:
        """The one served first; f32 is always there, for CPUs that have nothing else."""
        return list(dict.fromkeys([self.precision, *self.alternatives, "f32"]))


class Accept(Section):
    """The limits past which a model is not published (fractions, 0 to 1), the last two against the eager model."""

    min_accuracy: float = Field(default=0.0, ge=0, le=1)
    max_accuracy_drop: float = Field(default=0.0, ge=0, le=1)
    max_top1_disagreement: float = Field(default=0.0, ge=0, le=1)


class Objective(Section):
    """What the service promises of this model: alerts and dashboards measure it by these.

    `p99`: seconds within which 99 of 100 requests are answered; `availability`: the part that is not answered 5xx.
    """

    p99: float = Field(default=1.0, gt=0)
    availability: float = Field(default=0.999, gt=0, lt=1)


class Serving(Section):
    """TorchServe's own keys, passed through; maxBatchDelay in milliseconds, timeouts in seconds.

    `threads` is ours: the threads of one worker's engine.
    """

    minWorkers: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    maxWorkers: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    batchSize: int = Field(default=1, ge=1)  # noqa: N815
    # 0: a batch is whatever waits, and nothing waits for more (docker/torchserve/java).
    maxBatchDelay: int = Field(default=1, ge=0)  # noqa: N815
    # None: config.properties' job_queue_size.
    jobQueueSize: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    # None: config.properties' default_response_timeout and default_startup_timeout.
    responseTimeout: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    startupTimeout: Optional[int] = Field(default=None, ge=1)  # noqa: N815
    threads: Optional[int] = Field(default=None, ge=1)


class ModelSpec(Section):
    """One model of one version. Its files lie beside model.yaml, or in another model's folder: `../mnist/samples`."""

    # Protected by pydantic otherwise: `model: model.py` is what the field calls it.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")
    version: str = Field(pattern="^[0-9]+([.][0-9]+)*$")
    # Served beside the other versions, and never the default one until it is promoted.
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
            raise ValueError("expected `calibration` (and its `data`) for int8: real images set its scales")
        return self

    @property
    def key(self) -> str:
        """What its archive and its report are called."""
        return f"{self.name}-{self.version}"

    def folders(self, own: Path) -> list[Path]:
        """Where its code is looked for: its own folder, then those beside it that it names files of."""
        train = self.weights.train if isinstance(self.weights, TrainedWeights) else None
        named = (self.model, self.handler, train, self.labelled, self.calibration, self.classes, self.samples)
        parts = [Path(name).parts for name in named if name]
        return list(dict.fromkeys([own, *(own.parent / part[1] for part in parts if part[0] == "..")]))

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def load_spec(path: Path) -> ModelSpec:
    """Read and check one model.yaml. Raises SpecError with the line."""
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
            "a model.yaml as the README describes it",
            f"in {path.parent.name}/{path.name} " + "; ".join(problems),
            "correcting those lines",
        ) from None


def override_weights(spec: ModelSpec, text: str) -> ModelSpec:
    """`random:SEED` or `file:NAME` in place of the weights that model.yaml names. Raises SpecError."""
    kind, _, value = text.partition(":")
    if kind == "random" and value.isdigit():
        return spec.model_copy(update={"weights": RandomWeights(random=int(value))})
    if kind == "file" and value:
        return spec.model_copy(update={"weights": FileWeights(file=value)})
    raise SpecError("weights as `random:SEED` or `file:NAME`", repr(text), f"{spec.name}=random:0")


def _describe(problem: dict, lines: dict[tuple, int]) -> str:
    location = tuple(part for part in problem["loc"] if not (isinstance(part, str) and part[:1].isupper()))
    known = next(location[:size] for size in range(len(location), -1, -1) if location[:size] in lines)
    name = ".".join(str(part) for part in location) or "the file"
    what = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"]
    return f"line {lines[known]}: {name}: {what}"


def _without_other_kinds(problems: list[dict], document: object) -> list[dict]:
    """A union reports the misfits of every kind: keep those of the kind whose first key was written."""
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
    """{path of keys: 1-based line} for every key of a YAML document."""
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
