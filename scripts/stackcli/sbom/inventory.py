"""Prints an image's contents as JSON; sent into a container of it, never imported (standard library, Python 3.9).

It lists Python distributions by their metadata, Debian packages by dpkg, and jars by what they say about themselves.
"""

import hashlib
import json
import os
import re
import subprocess
import zipfile
from importlib.metadata import distributions
from typing import Any

UNREAD = ("/proc", "/sys", "/dev", "/tmp", "/run")  # noqa: S108
NETTY = "META-INF/io.netty.versions.properties"


def main() -> None:
    """Prints the inventory. It runs with the Python on the image's PATH, the one that serves and builds."""
    python = sorted({(found.metadata["Name"], found.version) for found in distributions()})
    print(json.dumps({"os": operating_system(), "python": python, "debian": debian_packages(), "jars": jars()}))


def operating_system() -> "dict[str, str]":
    with open("/etc/os-release") as file:  # noqa: PTH123
        pairs = [line.strip().partition("=") for line in file if "=" in line]
    values = {name: value.strip('"') for name, _, value in pairs}
    return {"id": values.get("ID", "linux"), "version": values.get("VERSION_ID", "")}


def debian_packages() -> "list[list[str]]":
    """Returns [name, version, architecture] of each installed package."""
    form = "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\n"
    listed = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    return [row[1:] for row in rows if row[0].startswith("ii")]


def jars() -> "list[dict[str, Any]]":
    """Returns each jar's path, hash and artifacts; an artifact is [group, name, version]."""
    found = []
    for folder, folders, files in os.walk("/"):
        folders[:] = sorted(name for name in folders if os.path.join(folder, name) not in UNREAD)  # noqa: PTH118
        for name in sorted(files):
            path = os.path.join(folder, name)  # noqa: PTH118
            if name.endswith(".jar") and not os.path.islink(path):  # noqa: PTH114
                found.append({"path": path, "sha256": sha256_of(path), "artifacts": artifacts(path)})
    return found


def sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:  # noqa: PTH123
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def artifacts(path: str) -> "list[list[str]]":
    """Returns a jar's artifacts from Maven's pom.properties and netty's own list: the build strips META-INF/maven."""
    found = set()
    with zipfile.ZipFile(path) as jar:
        for name in jar.namelist():
            if re.fullmatch(r"META-INF/maven/.+/pom\.properties", name):
                values = dict(re.findall(r"^(groupId|artifactId|version)=(\S+)", jar.read(name).decode(), re.M))
                if len(values) == 3:
                    found.add((values["groupId"], values["artifactId"], values["version"]))
            elif name == NETTY:
                listed = re.findall(r"^(netty-\S+)\.version=(\S+)", jar.read(name).decode(), re.M)
                found |= {("io.netty", artifact, version) for artifact, version in listed}
    return [list(row) for row in sorted(found)]


if __name__ == "__main__":
    main()
