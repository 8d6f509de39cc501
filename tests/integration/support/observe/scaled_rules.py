"""The committed rules with every duration divided: what takes an hour is seen in minutes. Nothing else is changed."""

import re
from pathlib import Path
from typing import Any

import yaml

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def divided(duration: str, factor: int) -> str:
    """Divides a duration such as "5m"; returns milliseconds in Prometheus's spelling."""
    number, unit = re.fullmatch(r"(\d+)([smhd])", duration).groups()  # type: ignore[union-attr]
    return f"{int(number) * SECONDS[unit] * 1000 // factor}ms"


def write_scaled(rules: Path, target: Path, factor: int) -> None:
    """Scales `for:` and the range selectors of each file of `rules`, into files of the same names in `target`."""
    target.mkdir()
    for file in sorted(rules.glob("*.yaml")):
        document = yaml.safe_load(file.read_text())
        for group in document["groups"]:
            group["rules"] = [scaled(rule, factor) for rule in group["rules"]]
        (target / file.name).write_text(yaml.safe_dump(document, width=200))


def scaled(rule: dict[str, Any], factor: int) -> dict[str, Any]:
    expression = re.sub(r"\[(\d+[smhd])\]", lambda found: f"[{divided(found[1], factor)}]", rule["expr"])
    held = {"for": divided(rule["for"], factor)} if "for" in rule else {}
    return {**rule, "expr": expression, **held}
