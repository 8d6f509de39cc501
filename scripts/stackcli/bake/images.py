"""`scripts/stack bake`: builds two images that contain the model store, so that neither mounts one.

The tag is derived from the contents: the same contents get the same tag and are built once.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError
from requests import RequestException

from contract.manifest import MANIFEST
from stackcli.bake.contents import Contents, choose_contents, stage
from stackcli.build.base_image import run_build
from stackcli.build.images import image_id
from stackcli.common import console
from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.files import digest_of
from stackcli.common.paths import CONFIG, ROOT
from stackcli.project.settings import Settings

DOCKERFILE = ROOT / "docker/bake/Dockerfile"
REPOSITORY = "torchserve-stack/baked"
MODELS_LABEL = "torchserve-stack.models"
TARGETS = {"torchserve": "TorchServe with its models", "edge": "The edge with the manifest and samples of the models"}
# The grammar of distribution/reference: lower-case parts, optionally after a host (with a dot or a port, or localhost).
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:)|\[[0-9A-Fa-f:]+\])(?::\d+)?"
_REPOSITORY = re.compile(rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*")


@dataclass(frozen=True)
class Baked:
    """The two images and the models in them; `digests`, by `torchserve` and `edge`, is empty until they are pushed."""

    tag: str
    torchserve: str
    edge: str
    models: list[str]
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def references(self) -> dict[str, str]:
        return {"torchserve": self.torchserve, "edge": self.edge}


def bake_and_tell(
    client: docker.DockerClient, settings: Settings, names: Sequence[str], repository: str, push: bool, as_json: bool
) -> None:
    """Runs `scripts/stack bake` and prints the images."""
    if as_json:
        console.leave_stdout_alone()
    baked = bake(client, settings, names, repository, push)
    if as_json:
        print(json.dumps(asdict(baked)))
        return
    console.phase(f"Baked {', '.join(baked.models)}")
    for target, reference in baked.references.items():
        console.out.print(reference, markup=False)
        if push:
            console.out.print(f"{reference.rpartition(':')[0]}@{baked.digests[target]}", markup=False)


def bake(client: docker.DockerClient, settings: Settings, names: Sequence[str], repository: str, push: bool) -> Baked:
    """Builds the images that do not exist yet and, with `push`, pushes both. Raises BuildError and ConfigError."""
    check_repository(repository, push)
    sources = source_images(client, settings)
    contents = choose_contents(settings, names)
    tag = tag_of(contents, sources)
    references = {target: f"{repository}/{target}:{tag}" for target in TARGETS}
    missing = [target for target, reference in references.items() if image_id(client, reference) is None]
    if missing:
        with tempfile.TemporaryDirectory(prefix="torchserve-stack-") as folder:
            context = Path(folder)
            stage(contents, CONFIG, context)
            for target in missing:
                command = build_command(target, references[target], contents, settings, sources, context)
                run_build(command, references[target])
    digests = {target: push_image(client, reference) for target, reference in references.items()} if push else {}
    return Baked(tag, **references, models=contents.models, digests=digests)


def check_repository(repository: str, push: bool) -> None:
    if not _REPOSITORY.fullmatch(repository):
        raise ConfigError("an image repository", repr(repository), "for example registry.example:5000/team")
    if push and repository == REPOSITORY:
        raise ConfigError("a registry to push to", "none", "--repository REGISTRY/NAME")


def source_images(client: docker.DockerClient, settings: Settings) -> dict[str, str]:
    """Returns the ids of the images that the models are added to, by target. Raises BuildError."""
    names = {target: settings.image_of(target) for target in TARGETS}
    found = {target: image_id(client, name) for target, name in names.items()}
    missing = [names[target] for target, known in found.items() if known is None]
    if missing:
        raise BuildError("the stack's images", f"no {', '.join(missing)}", "`scripts/stack build`")
    return {target: known for target, known in found.items() if known}


def tag_of(contents: Contents, sources: Mapping[str, str]) -> str:
    """Returns 12 hexadecimal digits of the manifest's hash, and 8 of the hash of everything else that goes in."""
    others = [text for name, text in sorted(contents.files.items()) if name != MANIFEST]
    rest = digest_of(*sources.values(), CONFIG.read_text(), DOCKERFILE.read_text(), *others)
    manifest = hashlib.sha256(contents.files[MANIFEST].encode()).hexdigest()
    return f"{manifest[:12]}-{rest[:8]}"


def build_command(
    target: str, reference: str, contents: Contents, settings: Settings, sources: Mapping[str, str], context: Path
) -> list[str]:
    name, _, tag = reference.rpartition(":")
    base = settings.image_of(target)
    labels = {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.description": TARGETS[target],
        "org.opencontainers.image.version": tag,
        # The models are not the stack's: what their licence is, their owner knows. The revision is the source image's.
        "org.opencontainers.image.licenses": "",
        "org.opencontainers.image.base.name": base,
        "org.opencontainers.image.base.digest": sources[target],
        MODELS_LABEL: ", ".join(contents.models),
    }
    command = [
        "docker",
        "build",
        "--progress=plain",
        f"--file={DOCKERFILE}",
        f"--target={target}",
        f"--tag={reference}",
    ]
    command += [f"--build-arg={source.upper()}_IMAGE={settings.image_of(source)}" for source in TARGETS]
    return [*command, *(f"--label={key}={value}" for key, value in labels.items()), str(context)]


def push_image(client: docker.DockerClient, reference: str) -> str:
    """Pushes the image and returns its digest in the registry. Raises BuildError."""
    name, _, tag = reference.rpartition(":")
    try:
        with console.waiting(f"pushing {reference}") as wait:
            digest = follow_push(client.api.push(name, tag, stream=True, decode=True), wait)
    except (APIError, RequestException) as error:
        remedy = "`docker login`; for a registry without TLS, add it to the engine's insecure-registries"
        raise BuildError(f"{reference} to be pushed", " ".join(str(error).split()), remedy) from None
    console.done(f"{reference} pushed: {digest}")
    return digest


def follow_push(events: Iterator[dict[str, Any]], wait: console.Waiting) -> str:
    """Shows the bytes sent over all layers (without a terminal, one line per layer); returns the digest."""
    layers: dict[str, tuple[int, int]] = {}
    finished, digest = 0, ""
    for event in events:
        if "error" in event:
            raise APIError(str(event["error"]))
        status, detail = event.get("status"), event.get("progressDetail") or {}
        if status == "Pushing" and detail.get("total"):
            layers[event["id"]] = (min(detail["current"], detail["total"]), detail["total"])
        finished += status in ("Pushed", "Layer already exists")
        if layers and status in ("Pushing", "Pushed"):
            current, total = (sum(sizes) for sizes in zip(*layers.values(), strict=True))
            wait.update(f"{finished} layers pushed", current, total)
        digest = (event.get("aux") or {}).get("Digest", digest)
    return digest
