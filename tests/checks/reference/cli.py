"""docs/reference/cli.md: each command, with its arguments and options, as its `--help` has them."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from checks.reference.tables import code, head, table
from stackcli.cli import make_app

PROGRAM = "scripts/stack"
WHAT = "Every command of `scripts/stack`, with its arguments and options."
SOURCE = "the commands themselves (`scripts/stackcli`)"


def page() -> str:
    """The page's text."""
    app: Any = typer.main.get_command(make_app())
    rows = [[f"[`{PROGRAM} {name}`](#{anchor(name)})", short(command)] for name, command in sections(app)]
    parts = [head("The command line", WHAT, SOURCE), table(["command", "what it does"], rows)]
    own = options(app, PROGRAM)
    if own:
        parts.append("\n" + own)
    parts += [section(name, command) for name, command in sections(app)]
    return "".join(parts)


def sections(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """(name, command) of a group and of the groups in it, as they are typed."""
    for name, command in group.commands.items():
        full = f"{before}{name}"
        yield full, command
        if hasattr(command, "commands"):
            yield from sections(command, f"{full} ")


def section(name: str, command: Any) -> str:
    """A group's commands follow it, one level below."""
    level = "###" if " " in name else "##"
    text = "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", command.help or ""))
    parts = [f"{level} {name}\n\n{text}\n"]
    if hasattr(command, "commands"):
        return "\n" + parts[0]
    parts.append(f"\n{usage(name, command)}\n")
    return "\n" + "".join(parts) + (f"\n{given}" if (given := options(command, name)) else "")


def usage(name: str, command: Any) -> str:
    """What is typed, without the meaning of its parts."""
    context = typer.Context(command, info_name=f"{PROGRAM} {name}")
    words = " ".join(command.collect_usage_pieces(context))
    # Typer puts an optional argument's own brackets into brackets again.
    return code(f"{PROGRAM} {name} {words.replace('[[', '[').replace(']...]...', ']...').replace(']]', ']')}")


def options(command: Any, name: str) -> str:
    """The table of arguments and options except --help; empty if there are none."""
    context = typer.Context(command, info_name=name)
    records = [param.get_help_record(context) for param in command.get_params(context) if param.name != "help"]
    rows = [[code(names), " ".join(meaning.split())] for names, meaning in filter(None, records)]
    return table(["argument or option", "meaning"], rows) if rows else ""


def short(command: Any) -> str:
    """The first sentence or paragraph of its help."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


def anchor(name: str) -> str:
    return name.replace(" ", "-")
