"""Makes a Debian image if none can be pulled: debootstrap from this machine's own mirror, then `docker import`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.common.paths import LOGS
from stackcli.common.process import capture, stream_logged
from stackcli.machine.apt import apt, find_debian_uri, read_apt_sources, read_os_release

DEBOOTSTRAP = "/usr/sbin/debootstrap"


def make_debian_image(suite: str, tag: str, yes: bool) -> None:
    """Imports Debian `suite` (minbase) as image `tag`. Needs root; installs debootstrap if `yes`. Raises BuildError."""
    if os.geteuid() != 0:
        raise BuildError(
            "a registry to pull Debian from, or root to run debootstrap", "neither", "`sudo scripts/stack up --yes`"
        )
    ensure_debootstrap(yes)
    uri = find_debian_uri(read_apt_sources(), read_os_release().get("VERSION_CODENAME", ""))
    mirror = [uri] if uri and read_os_release().get("ID") == "debian" else []
    console.say(f"debootstrap {suite} from {mirror[0] if mirror else 'its default mirror'}")
    with tempfile.TemporaryDirectory(prefix="torchserve-stack-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        bootstrap(["--variant=minbase", suite, str(root), *mirror])
        write_sources(root, suite)
        for cache in (root / "var/cache/apt/archives", root / "var/lib/apt/lists"):
            shutil.rmtree(cache)
            (cache / "partial").mkdir(parents=True)
        import_image(root, tag)
    console.done(f"{tag} imported")


def ensure_debootstrap(yes: bool) -> None:
    if Path(DEBOOTSTRAP).exists():
        return
    packages = ["debootstrap", "debian-archive-keyring"]
    if not yes or not shutil.which("apt-get"):
        raise BuildError(
            "a registry to pull Debian from, or debootstrap",
            "neither",
            f"`apt-get install {' '.join(packages)}`, or `scripts/stack up --yes`",
        )
    console.say(f"installing {' '.join(packages)}")
    apt(["apt-get", "update", "-q"])
    apt(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages])


def bootstrap(arguments: list[str]) -> None:
    """Runs debootstrap, through apt's proxy if one is configured. Raises BuildError."""
    proxy = re.search(r'^Acquire::http::Proxy "(http[^"]+)"', capture(["apt-config", "dump"]).stdout, re.MULTILINE)
    env = {**({"http_proxy": proxy[1]} if proxy else {}), **os.environ}
    log = LOGS / "debootstrap.log"
    with console.waiting("debootstrap") as wait:
        status, lines = stream_logged(
            [DEBOOTSTRAP, *arguments],
            log,
            lambda line: wait.update(line.split()[1].lower()),
            r"^I: (Checking|Extracting|Unpacking|Configuring) ",
            env,
        )
    if status != 0:
        raise BuildError("debootstrap to succeed", next(iter(lines[-1:]), "no output"), f"reading {log}")


def write_sources(root: Path, suite: str) -> None:
    """Adds this machine's sources for the release, with security updates; debootstrap adds only the main archive."""
    sources = read_apt_sources()
    lines = []
    for name in (suite, f"{suite}-updates", f"{suite}-security"):
        uri = find_debian_uri(sources, name)
        if uri:
            lines.append(f"deb {uri} {name} main\n")
    if find_debian_uri(sources, suite):
        (root / "etc/apt/sources.list").write_text("".join(lines))


def import_image(root: Path, tag: str) -> None:
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        imported = subprocess.run(
            ["docker", "import", "--change", 'CMD ["bash"]', "-", tag],
            stdin=tar.stdout,
            capture_output=True,
            text=True,
            check=False,
        )
    if tar.returncode != 0 or imported.returncode != 0:
        raise BuildError(f"`docker import` of {tag} to succeed", imported.stderr.strip(), "`scripts/stack doctor`")
