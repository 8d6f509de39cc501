"""`scripts/stack sbom`: writes one CycloneDX 1.6 file per image (the builder lists the archives).

The same image gives the same file: its serial number is derived from the image's id, its time is the image's.
"""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import docker
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from docker.models.images import Image
from packageurl import PackageURL

from stackcli.build.base_image import find_base_image
from stackcli.build.images import image_id
from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.project.settings import Settings

INVENTORY = Path(__file__).with_name("inventory.py")
# Any fixed namespace works: it keeps these serial numbers distinct from others.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "torchserve-stack/image")


def write_sboms(client: docker.DockerClient, settings: Settings, folder: Path) -> list[Path]:
    """Writes base.cdx.json, builder.cdx.json and torchserve.cdx.json to `folder`. Raises BuildError."""
    base = find_base_image(client, settings, "auto")
    images = {
        "base": base or settings.torchserve_image,
        "builder": settings.image_of("builder"),
        "torchserve": settings.image_of("torchserve"),
    }
    missing = [name for name in images.values() if image_id(client, name) is None]
    if missing:
        raise BuildError("the images to list", f"no {', '.join(missing)}", "`scripts/stack build`")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for part, name in images.items():
        bom = describe(client.images.get(name), name, take_inventory(name))
        file = folder / f"{part}.cdx.json"
        file.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")
        console.done(f"{file}: {len(bom.components)} components of {name}")
        files.append(file)
    return files


def take_inventory(image: str) -> dict[str, Any]:
    """Runs inventory.py in a container of the image, without network and read-only. Raises BuildError."""
    command = ["docker", "run", "--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL"]
    with INVENTORY.open() as script:
        ended = subprocess.run(
            [*command, "--entrypoint=python", image, "-"], stdin=script, capture_output=True, text=True, check=False
        )
    if ended.returncode != 0:
        reason = next(iter(ended.stderr.strip().splitlines()[-1:]), "no reason given")
        raise BuildError(f"the inventory of {image}", reason, f"`docker run --rm --entrypoint=python {image} -V`")
    inventory: dict[str, Any] = json.loads(ended.stdout)
    return inventory


def describe(image: Image, name: str, inventory: dict[str, Any]) -> Bom:
    root = Component(
        type=ComponentType.CONTAINER,
        name=name.rpartition(":")[0],
        version=str(image.id),
        bom_ref=name,
        properties=[Property(name="torchserve-stack:tag", value=name)],
    )
    # Docker writes nanoseconds, which fromisoformat does not read before Python 3.11.
    created = datetime.fromisoformat(f"{image.attrs['Created'][:19]}+00:00")
    bom = Bom(
        serial_number=uuid.uuid5(NAMESPACE, str(image.id)), metadata=BomMetaData(component=root, timestamp=created)
    )
    bom.components.update(components(inventory))
    bom.register_dependency(root, bom.components)
    return bom


def components(inventory: dict[str, Any]) -> Iterator[Component]:
    system = inventory["os"]
    distro = f"{system['id']}-{system['version']}"
    yield Component(
        type=ComponentType.OPERATING_SYSTEM, name=system["id"], version=system["version"], bom_ref=f"os:{distro}"
    )
    for name, version in inventory["python"]:
        yield library(PackageURL("pypi", None, name, version))
    for name, version, architecture in inventory["debian"]:
        yield library(PackageURL("deb", system["id"], name, version, {"arch": architecture, "distro": distro}))
    for jar in inventory["jars"]:
        yield Component(
            type=ComponentType.FILE,
            name=jar["path"],
            bom_ref=f"file:{jar['path']}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=jar["sha256"])],
        )
        for group, name, version in jar["artifacts"]:
            yield library(
                PackageURL("maven", group, name, version), [Property(name="torchserve-stack:jar", value=jar["path"])]
            )


def library(purl: PackageURL, properties: list[Property] | None = None) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        group=purl.namespace if purl.type == "maven" else None,
        name=purl.name,
        version=purl.version,
        bom_ref=str(purl),
        purl=purl,
        properties=properties,
    )
