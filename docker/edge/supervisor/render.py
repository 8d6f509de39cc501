"""Renders HAProxy's files from the model store, the API keys and the certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import jinja2

from contract.failure import Failure
from contract.keys import KEYS, Key, read_keys
from supervisor.body_limit import read_body_limit
from supervisor.certificate import read_certificate
from supervisor.models import Loaded, read_models
from supervisor.page import DATA_PATH, File, models_json, page_files, sample_files
from supervisor.settings import Settings

CONFIG, PAGE_CONFIG = "haproxy.cfg", "page.cfg"
DATA, KEYS_MAP = "models.json", "keys.map"
CERTIFICATE_AND_KEY = "tls.pem"
# What is in force: a copy of DATA, written once HAProxy has loaded it.
SERVED = "served.json"


@dataclass(frozen=True)
class Rendered:
    """HAProxy's files (name in the edge's run folder → content), and problems of the model store for the log."""

    files: dict[str, str]
    problems: tuple[Failure, ...] = ()


def render(settings: Settings, loaded: Loaded | None = None) -> Rendered:
    """Reads the sources and renders the files; `loaded`: see read_models. Raises Failure if a source is unusable."""
    models = read_models(settings.store, loaded)
    samples = sample_files(settings.store, models.routed)
    data = File(DATA_PATH, Path(DATA), "application/json", False)
    files = {
        DATA: models_json(models.routed, models.unavailable, samples, settings.keys),
        "stable.map": "".join(f"{model.name} {model.stable}\n" for model in models.routed if model.is_released),
    }
    if settings.keys:
        files[KEYS_MAP] = "".join(f"{key.sha256} {key.scope}:{key.name}\n" for key in accepted_keys(settings.secrets))
    if settings.tls:
        files[CERTIFICATE_AND_KEY] = read_certificate(settings.secrets)
    # No escaping is needed: every name from the model store is checked (models.py, page.py).
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(settings.templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    facts = {
        "settings": settings,
        "canaries": [model for model in models.routed if model.canary],
        "body_limit": read_body_limit(settings.config),
        "files": [*page_files(settings.page), data, *samples],
    }
    for name in (CONFIG, PAGE_CONFIG):
        files[name] = environment.get_template(f"{name}.j2").render(facts)
    return Rendered(files, models.problems)


def accepted_keys(folder: Path) -> list[Key]:
    """Returns the keys; empty once the last one was removed. Raises Failure if there is no file."""
    try:
        return read_keys(folder / KEYS)
    except FileNotFoundError as error:
        raise Failure("a file of API keys", str(error), "`scripts/stack key add NAME`") from None


def write(rendered: Rendered, folder: Path) -> None:
    """Writes the files readable by this user only, because one holds a private key."""
    for name, content in rendered.files.items():
        partial = folder / f"{name}.partial"
        partial.touch(mode=0o600)
        partial.write_text(content, encoding="utf-8")
        partial.replace(folder / name)
