"""One hash over everything an archive is made from: if it has not changed, there is nothing to build."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

from builder.spec import ModelSpec
from contract.archive import file_sha256

# A model exported by one version of these may not load in another.
TOOLS = ("torch", "torchvision", "torchserve", "torch-model-archiver", "numpy", "pillow", "openvino", "nncf", "onnx")


def fingerprint(spec: ModelSpec, folder: Path, archive_format: str) -> str:
    """Hash the model's folders, common/, the builder's own code, the tools' versions, and what `spec` overrides."""
    digest = hashlib.sha256()
    digest.update(f"{spec.model_dump_json()}\n{archive_format}\npython {platform.python_version()}\n".encode())
    for tool in TOOLS:
        digest.update(f"{tool} {version(tool)}\n".encode())
    for root in (*spec.folders(folder), folder.parent / "common", Path(__file__).parent):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{file_sha256(path)}  {root.name}/{path.relative_to(root).as_posix()}\n".encode())
    return digest.hexdigest()
