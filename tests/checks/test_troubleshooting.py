"""docs/guides/troubleshooting.md quotes what the stack prints: each text is in the sources, and no alert is missing."""

import re

import yaml

from checks.files import FILES
from stackcli.common.paths import ROOT

PAGE = (ROOT / "docs/guides/troubleshooting.md").read_text()
TABLES = PAGE.partition("## When something is wrong")[2].partition("\n## ")[0]
TEXTS = re.findall(r"^\| `(.+?)` \|", TABLES, re.MULTILINE)
FOLDERS = [ROOT / "docker", ROOT / "scripts"]


def test_every_text_is_in_the_sources() -> None:
    files = [file for file in FILES if any(folder in file.parents for folder in FOLDERS)]
    source = "\n".join(file.read_text(errors="replace") for file in files)
    gone = [text for text in TEXTS if text not in source]
    assert not gone, f"expected {gone} in docker/ or scripts/, found none; try what is printed in their place"


def test_enough_symptoms_are_told_each_once() -> None:
    assert len(TEXTS) > 25
    assert sorted({text for text in TEXTS if TEXTS.count(text) > 1}) == []


def test_every_alert_is_among_them() -> None:
    rules = yaml.safe_load((ROOT / "docker/prometheus/rules/alerts.yaml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert alerts - set(TEXTS) == set()
