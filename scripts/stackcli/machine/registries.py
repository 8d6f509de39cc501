"""Writes the build secrets that let builds reach package registries as this machine does; no image contains them.

Settings that exist on this machine only (file: indexes, constraints, find-links, a proxy on localhost) are left out.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stackcli.common.files import write_if_changed
from stackcli.common.paths import SECRETS
from stackcli.common.process import capture

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
CA_IN_CONTAINER = "/run/secrets/ca_bundle"
PIP_KEYS = ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "retries")
PIP_URLS = ("index-url", "extra-index-url", "proxy")
PIP_SOURCES = ("global", "user", "site", "install", ":env:")  # the later one wins, as in pip
NPM_KEYS = re.compile(r"^(registry|proxy|https-proxy|noproxy|@[^:]+:registry|//.+)$")
APT_KEYS = re.compile(r"^Acquire::(Check-[\w-]+|https?::Proxy(::\S+)?|Retries) ")


@dataclass(frozen=True)
class Secrets:
    """The secrets' files, by the name of the secret."""

    ca_bundle: Path
    pip_conf: Path
    npmrc: Path
    apt_conf: Path

    @property
    def environment(self) -> dict[str, str]:
        """Returns the variables that compose.yaml reads."""
        return {f"STACK_{name.upper()}": str(path) for name, path in vars(self).items()}


def is_reachable_from_a_container(url: str) -> bool:
    """Tells whether a container can reach the URL: false for files and for this machine's loopback."""
    host = urlsplit(url if "://" in url else f"http://{url}").hostname or ""
    scheme = url.partition(":")[0].lower()
    return scheme != "file" and not url.startswith(("/", ".")) and host != "localhost" and not host.startswith("127.")


def render_pip_conf(config_list: str, environ: Mapping[str, str], ca: bool) -> str:
    """Renders pip.conf from `config_list`, the output of `pip config list`; `ca`: whether the CA secret has content."""
    found: dict[str, dict[str, str]] = {source: {} for source in PIP_SOURCES}
    for line in config_list.splitlines():
        match = re.match(r"^([^.]+)\.([^=]+)=(.*)$", line)
        if match and match[1] in found:
            found[match[1]][match[2].replace("default-timeout", "timeout")] = str(ast.literal_eval(match[3]))
    merged = {key: value for source in PIP_SOURCES for key, value in found[source].items()}
    proxy = environ.get("https_proxy") or environ.get("HTTPS_PROXY") or ""
    if proxy:
        merged.setdefault("proxy", proxy)
    values = {"cert": CA_IN_CONTAINER} if ca else {}
    values["disable-pip-version-check"] = "true"
    for key in PIP_KEYS:
        words = merged.get(key, "").split()
        if key in PIP_URLS:
            words = [word for word in words if is_reachable_from_a_container(word)]
        if words:
            values[key] = "\n    ".join(words)
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def render_npmrc(npmrc: str, environ: Mapping[str, str], ca: bool) -> str:
    """Renders .npmrc from `npmrc`, the machine's and the user's concatenated (the later value wins)."""
    values: dict[str, str] = {}
    pairs = [
        line.split("=", 1) for line in npmrc.splitlines() if "=" in line and not line.lstrip().startswith(("#", ";"))
    ]
    pairs += [
        [name[11:].replace("_", "-"), environ[name]] for name in environ if name.lower().startswith("npm_config_")
    ]
    for key, value in (
        (key.strip().lower() if "//" not in key else key.strip(), value.strip()) for key, value in pairs
    ):
        is_url = key.endswith(("registry", "proxy")) and not key.startswith("//")
        if NPM_KEYS.match(key) and (not is_url or key == "noproxy" or is_reachable_from_a_container(value)):
            values[key] = value
    head = {"cafile": CA_IN_CONTAINER} if ca else {}
    return "".join(f"{key}={value}\n" for key, value in {**head, **values}.items())


def render_apt_conf(dump: str) -> str:
    """Renders apt.conf from `dump`, what `apt-config dump` prints; keeps proxies, retries and the Check-* switches."""
    kept = []
    for line in dump.splitlines():
        value = line.partition('"')[2].rstrip('";')
        if APT_KEYS.match(line) and value and ("::Proxy" not in line or is_reachable_from_a_container(value)):
            kept.append(f"{line}\n")
    return "".join(kept)


def find_ca_bundle(environ: Mapping[str, str]) -> str:
    for path in [*(environ.get(name, "") for name in CA_VARIABLES), *CA_FILES]:
        if path and Path(path).is_file():
            return Path(path).read_text()
    return ""


def read_if_present(*paths: Path) -> str:
    return "\n".join(path.read_text() for path in paths if path.is_file())


def write_secrets(environ: Mapping[str, str] = os.environ, folder: Path = SECRETS) -> Secrets:
    """Writes the secrets. Only this user can enter the folder; containers can read the files mounted into them."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    ca = find_ca_bundle(environ)
    pip = capture([sys.executable, "-m", "pip", "config", "list"]).stdout
    user_npmrc = Path(environ.get("NPM_CONFIG_USERCONFIG") or Path.home() / ".npmrc")
    contents = {
        "ca_bundle": ca,
        "pip_conf": render_pip_conf(pip, environ, bool(ca)),
        "npmrc": render_npmrc(read_if_present(Path("/etc/npmrc"), user_npmrc), environ, bool(ca)),
        "apt_conf": render_apt_conf(capture(["apt-config", "dump"]).stdout),
    }
    return Secrets(**{name: write_if_changed(folder / name, content) for name, content in contents.items()})
