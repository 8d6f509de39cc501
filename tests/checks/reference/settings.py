"""docs/reference/settings.md: each variable of .env.example, with what Settings takes for it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checks.reference.tables import code, head, table
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings

WHAT = "Every variable the stack reads, from the environment or `.env`; the environment wins."
SOURCE = "`.env.example` and `scripts/stackcli/project/settings.py`"
PATTERNS = {
    r"^\d+(\.\d+)?$": "a number",
    r"^\d*$": "a whole number, or empty",
    r"^(0(\.\d+)?|1(\.0+)?)$": "0 to 1",
    r"^\d+[sm]$": "seconds or minutes, such as 15s",
}


@dataclass(frozen=True)
class Variable:
    """`is_set`: its line in .env.example is no comment. `meaning`: the comment right above it."""

    name: str
    default: str
    meaning: str
    is_set: bool


def page() -> str:
    """The page's text."""
    properties = Settings.model_json_schema()["properties"]
    parts = [head("Settings", WHAT, SOURCE)]
    parts.append(
        "To change one, write it into `.env` (`cp .env.example .env` changes nothing) or into the environment.\n"
    )
    for title, note, variables in sections():
        rows = [
            [code(one.name), default_of(one), kind_of(properties.get(one.name.lower(), {})), one.meaning]
            for one in variables
        ]
        parts.append(f"\n## {title}\n\n" + (f"{note}\n\n" if note else ""))
        parts.append(table(["variable", "default", "takes", "meaning"], rows))
    return "".join(parts)


def sections() -> Iterator[tuple[str, str, list[Variable]]]:
    """(title, note, variables) of each `# --- Title: note` in .env.example."""
    for part in re.split(r"^# --- ", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        title, _, note = heading.partition(": ")
        yield title, note, list(variables_of(body))


def variables_of(text: str) -> Iterator[Variable]:
    """A comment belongs to the line below it alone."""
    comment: list[str] = []
    for line in text.splitlines():
        assignment = re.match(r"^(#?)([A-Z][A-Z0-9_]*)=(.*)$", line)
        if assignment:
            yield Variable(assignment[2], assignment[3], " ".join(comment), not assignment[1])
            comment = []
        elif line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
        else:
            comment = []


def default_of(variable: Variable) -> str:
    if variable.is_set:
        return code(variable.default) or "empty"
    return code(variable.default) or "see the meaning"


def kind_of(schema: dict[str, Any]) -> str:
    """In words, from the JSON schema of a field; another program's variable has none."""
    if "enum" in schema:
        return ", ".join(code(value) or "empty" for value in schema["enum"])
    if "pattern" in schema:
        return PATTERNS[schema["pattern"]]
    if schema.get("type") != "integer":
        return "text"
    if "maximum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return f"a whole number, at least {schema['minimum']}"
