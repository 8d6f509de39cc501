"""Where uv finds packages: where pip finds them, as builds do. An address that holds a password is no argument."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import RawConfigParser

from stackcli.machine.registries import Secrets

# pip's setting → uv's variables.
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "proxy": ("HTTPS_PROXY", "HTTP_PROXY"),
}
FIXED = {
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    # As pip does: the best version of all indexes, not that of the first one that has any.
    "UV_INDEX_STRATEGY": "unsafe-best-match",
}


def uv_environment(secrets: Secrets, environ: Mapping[str, str]) -> dict[str, str]:
    """Makes uv's environment of `secrets`, the build secrets, without the indexes that only this machine can reach.

    The pins have to hold on other machines: hashes of a package that lies on this disk alone would not.
    """
    config = RawConfigParser()
    config.read_string(secrets.pip_conf.read_text())
    found = {
        variable: " ".join(config["global"][setting].split())
        for setting, variables in VARIABLES.items()
        if setting in config["global"]
        for variable in variables
    }
    trust = {"SSL_CERT_FILE": str(secrets.ca_bundle)} if secrets.ca_bundle.stat().st_size else {}
    kept = {name: value for name, value in environ.items() if not name.startswith("UV_") or name == "UV_CACHE_DIR"}
    return {**kept, **FIXED, **found, **trust}
