"""Decides what a report may show. Everything is left out unless it is listed here or has one of these forms.

A list of what is secret would miss the secrets it does not name. So a word is shown only if the stack's own
code uses it, or if it is a number, a size or a version; a setting only if its value has a form that can hide nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings

HIDDEN = "[hidden]"
SET = "set; its value is not shown"
NUMBER = r"\d{1,5}(?:\.\d{1,3})?"
SIZE = rf"{NUMBER}(?:[kmg]i?b?|%)?"
DURATION = r"\d{1,5}(?:ms|[smhd])?"
# At most three numbers: four with dots between them are an address.
VERSION = r"v?\d{1,4}(?:\.\d{1,4}){1,2}"
HARMLESS = re.compile(rf"{SIZE}|{DURATION}|{VERSION}", re.IGNORECASE)
# Behind its numbers a version may hold anything: of `0.13.1+ds1` the report says 0.13.1.
LONG_VERSION = re.compile(rf"({VERSION})[-+~][^.:/@]")
# Setting → the form that its value must have to be shown.
SETTINGS: Mapping[str, str] = {
    **dict.fromkeys((name for name in Settings.model_fields if name.endswith("_port")), r"\d{1,5}"),
    **dict.fromkeys((name for name in Settings.model_fields if name.endswith(("_memory", "_size"))), SIZE),
    **dict.fromkeys(("builder_cpus", "torchserve_cpus", "otel_traces_sampler_arg"), NUMBER),
    **dict.fromkeys(("torchserve_workers", "torchserve_threads", "torchserve_replicas"), r"\d{1,5}"),
    **dict.fromkeys(("edge_rate", "edge_request_seconds", "edge_threads", "edge_most_replicas"), r"\d{1,5}"),
    **dict.fromkeys(("drain_seconds", "swarm_replicas"), r"\d{1,5}"),
    **dict.fromkeys(("scrape_interval", "retention_time", "swarm_start_period"), DURATION),
    **dict.fromkeys(("bind_address", "observability_address"), r"127\.0\.0\.1|0\.0\.0\.0|::1?"),
    "access_log": "all|failures",
    "archive_format": "default|zip-store|tgz|no-archive",
    "strict": "[01]",
    "compose_file": r"compose(?:\.(?:dev|gpu|prod|scale))?\.yaml(?::compose(?:\.(?:dev|gpu|prod|scale))?\.yaml)*",
    "torchserve_image": r"pytorch/torchserve:[\d.]+-(?:cpu|gpu)",
    "debian_image": r"debian:[a-z]+(?:-slim)?",
    "grafana_image": r"grafana/grafana:[\d.]+",
}
# Label of an image → the form that its value must have.
LABELS: Mapping[str, str] = {
    "org.opencontainers.image.title": r"torchserve-stack[ /][a-z]+",
    "org.opencontainers.image.version": VERSION,
    "org.opencontainers.image.revision": r"[0-9a-f]{40}(?:-dirty)?",
    "org.opencontainers.image.licenses": r"Apache-2\.0",
    "torchserve-stack.inputs": r"[0-9a-f]{64}",
}
MODELS = ("mnist", "densenet161", "efficientnet_lite0")  # those of the repository; others are their owner's business
CODE = ("scripts/stackcli", "contract/contract", "docker/torchserve/runtime", "docker/edge/supervisor")
# Words of Docker's and the operating system's messages.
OTHERS_WORDS = """
    cannot connect to the docker daemon is it running permission denied while trying no such file or directory
    connection refused timed out timeout space left on device unknown host network unreachable certificate has expired
    not found
"""
# Paths that are the same on every machine, in the repository or outside it.
PATHS = ("compose.yaml", "model_store", "model_src", ".stack/secrets/edge", "/var/lib", "/var/lib/docker")
# A word with quotes or brackets around it and one mark behind it. Two colons are not punctuation, but half an address.
WORD = re.compile(r"""["'`(\[{<]*(.*?)["'`)\]}>]*[.,:;!?…]?["'`)\]}>]*""")


def setting(name: str, value: object) -> str:
    """Returns the value of a setting, or only that it is set."""
    form = SETTINGS.get(name)
    return str(value) if form and re.fullmatch(form, str(value), re.IGNORECASE) else SET


def labels(found: Mapping[str, str]) -> dict[str, str]:
    return {name: found[name] for name, form in LABELS.items() if re.fullmatch(form, found.get(name, ""))}


def model(name: str) -> str:
    return name if name in MODELS else "a model of yours"


def one_of(word: str, known: Iterable[str]) -> str:
    return word if word in known else HIDDEN


def harmless(text: str) -> str:
    """Returns a number, a size or a version unchanged, and hides anything else."""
    return text if HARMLESS.fullmatch(text) else HIDDEN


def said(text: str) -> str:
    """Returns the text with every word hidden that is not the stack's own; several in a row become one."""
    words = " ".join(map(shown_word, text.split()))
    return re.sub(rf"{re.escape(HIDDEN)}(?: {re.escape(HIDDEN)})+", HIDDEN, words)


def shown_word(word: str) -> str:
    """Returns the word with the punctuation around it if it may be shown."""
    core = core_of(word)
    if not core or core.lower() in vocabulary() or HARMLESS.fullmatch(core):
        return word
    if version := LONG_VERSION.match(core):
        return version[1]
    path = core.removeprefix(f"{ROOT}/")
    if path in PATHS:
        return path
    return f"~/{HIDDEN}" if core.startswith(f"{Path.home()}/") else HIDDEN


def core_of(word: str) -> str:
    match = WORD.fullmatch(word)
    return match[1] if match else word


@cache
def vocabulary() -> frozenset[str]:
    """Returns every word of the texts in the stack's own code, in lower case."""
    files = (file for folder in CODE for file in sorted((ROOT / folder).rglob("*.py")))
    texts = [text for file in files for text in texts_of(file)]
    words = {core_of(word).lower() for text in [*texts, OTHERS_WORDS] for word in text.split()}
    return frozenset(word for word in words if re.fullmatch(r"[a-z]+(?:['’-][a-z]+)*|scripts/stack", word))


def texts_of(file: Path) -> list[str]:
    nodes = ast.walk(ast.parse(file.read_text()))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
