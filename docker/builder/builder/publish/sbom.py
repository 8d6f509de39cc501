"""Write an archive's bill of materials as CycloneDX 1.6 JSON: files, weights, data set, and imported packages.

The same archive gives the same list: the serial number comes from the archive's hash, and there is no timestamp.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from builder.imports import imported_names
from builder.record import Record
from builder.spec import ModelSpec, NpmPackage, PackageWeights, PythonPackage, UrlWeights
from contract.archive import file_sha256

SUFFIX = ".cdx.json"
# Any fixed value will do: it keeps these serial numbers distinct from those of other software.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "torchserve-stack/archive")


def write_sbom(spec: ModelSpec, record: Record, files: Path, folder: Path) -> Path:
    """Write `<name>-<version>.cdx.json` to `folder`; `record`: the manifest's, `files`: the unpacked archive."""
    archive = Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=spec.name,
        version=spec.version,
        bom_ref=record["archive"],
        hashes=_sha256(record["sha256"]),
        properties=[
            Property(name=f"torchserve-stack:{key}", value=str(record[key]))
            for key in ("archive", "format", "engine", "precision", "trained")
        ],
    )
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, record["sha256"]))
    bom.metadata.component = archive
    bom.metadata.timestamp = None
    bom.components.update(_files(files), _packages(files), _inputs(spec, record))
    bom.register_dependency(archive, bom.components)
    path = folder / f"{spec.key}{SUFFIX}"
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n", encoding="utf-8")
    return path


def _files(folder: Path) -> Iterator[Component]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            yield Component(
                type=ComponentType.FILE, name=name, bom_ref=f"file:{name}", hashes=_sha256(file_sha256(path))
            )


def _packages(folder: Path) -> Iterator[Component]:
    """Yield the installed packages that the archive's code imports, in the versions that it was checked with."""
    imported = {module for path in folder.rglob("*.py") for module in imported_names(path)}
    for distribution in distributions():
        if imported & _modules(distribution):
            purl = PackageURL("pypi", None, distribution.metadata["Name"], distribution.version)
            yield _package(purl)


def _modules(distribution: Any) -> set[str]:
    """Return the modules of a distribution (importlib.metadata has this only since Python 3.10)."""
    named = distribution.read_text("top_level.txt")
    if named:
        return set(named.split())
    return {Path(file.parts[0]).stem for file in distribution.files or () if file.suffix == ".py"}


def _inputs(spec: ModelSpec, record: Record) -> Iterator[Component]:
    """Yield the weights, the data set, and the packages that model.yaml names."""
    weights = spec.weights
    url = (
        [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(weights.url))]
        if isinstance(weights, UrlWeights)
        else []
    )
    yield Component(
        type=ComponentType.DATA,
        name="weights",
        bom_ref="weights",
        description=record["weights"]["origin"],
        purl=_pypi(weights.package) if isinstance(weights, PackageWeights) else None,
        hashes=_sha256(record["weights"]["sha256"]),
        external_references=url,
    )
    if isinstance(spec.data, (NpmPackage, PythonPackage)):
        purl = _npm(spec.data.npm) if isinstance(spec.data, NpmPackage) else _pypi(spec.data.package)
        yield Component(
            type=ComponentType.DATA,
            name="data set",
            bom_ref="data",
            description=f"{purl.name} {purl.version}",
            purl=purl,
            hashes=_sha256(spec.data.sha256),
        )
    for package in spec.packages:
        yield _package(_pypi(package.package), package.sha256)


def _package(purl: PackageURL, sha256: str | None = None) -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=purl.name,
        version=purl.version,
        bom_ref=str(purl),
        purl=purl,
        hashes=_sha256(sha256) if sha256 else [],
    )


def _sha256(digest: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest)]


def _pypi(pin: str) -> PackageURL:
    """Return the URL of `NAME==VERSION`."""
    name, _, version = pin.partition("==")
    return PackageURL("pypi", None, name, version)


def _npm(pin: str) -> PackageURL:
    """Return the URL of `NAME@VERSION` or `@SCOPE/NAME@VERSION`."""
    name, _, version = pin.rpartition("@")
    scope, _, short = name.rpartition("/")
    return PackageURL("npm", scope or None, short, version)
