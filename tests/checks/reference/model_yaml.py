"""docs/reference/model-yaml.md: each key of model.yaml, as the builder's own pydantic models have it."""

import sys
import types
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from checks.reference.tables import code, head, table
from stackcli.common.paths import ROOT

WHAT = "Every key of a model's `model.yaml`. An unknown key is an error that names its line."
SOURCE = "`docker/builder/builder/spec.py`"
PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def spec_module() -> Any:
    """The builder's spec, which needs nothing but pydantic and PyYAML."""
    folder = str(ROOT / "docker/builder")
    if folder not in sys.path:
        sys.path.append(folder)
    return import_module("builder.spec")


def page() -> str:
    """The page's text."""
    model: type[BaseModel] = spec_module().ModelSpec
    parts = [head("model.yaml", WHAT, SOURCE), meaning_of(model), "\n\n", keys(model)]
    for name, field in model.model_fields.items():
        forms = sections_of(field.annotation)
        if forms and len(forms) == 1 and not alternatives(field):
            parts.append(f"\n## {name}\n\n{meaning_of(forms[0])}\n\n{keys(forms[0])}")
        elif forms:
            which = "A list of these" if get_origin(field.annotation) is list else "One of these forms"
            parts.append(f"\n## {name}\n\n{field.description}. {which}:\n")
            parts += [f"\n### {form_of(form)}\n\n{meaning_of(form)}\n\n{keys(form)}" for form in forms]
    return "".join(parts)


def keys(model: type[BaseModel]) -> str:
    """The table of a section's keys."""
    rows = [
        [code(name), kind_of(field), default_of(field), field.description or ""]
        for name, field in model.model_fields.items()
    ]
    return table(["key", "takes", "default", "meaning"], rows)


def meaning_of(model: type[BaseModel]) -> str:
    """Its docstring, in one line."""
    return " ".join((model.__doc__ or "").split())


def form_of(model: type[BaseModel]) -> str:
    """How the form is written: its keys, those in brackets that may be left out."""
    names = [name if field.is_required() else f"[{name}]" for name, field in model.model_fields.items()]
    return code(f"{{{', '.join(names)}}}")


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a key's value may be, in their order; empty for text and numbers."""
    return [part for part in parts_of(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def alternatives(field: FieldInfo) -> bool:
    """Whether the key takes one of several forms, or a list of one."""
    return get_origin(field.annotation) in (Union, types.UnionType, list)


def parts_of(annotation: Any) -> Iterator[Any]:
    """A union's or a list's members, of whatever depth; else the type itself."""
    if get_origin(annotation) in (Union, types.UnionType, list):
        for part in get_args(annotation):
            yield from parts_of(part)
    else:
        yield annotation


def kind_of(field: FieldInfo) -> str:
    """What a key takes, in words."""
    return ", ".join([words_of(field.annotation), *limits_of(field)])


def words_of(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(words_of(part) for part in arguments if part is not type(None)))
    if origin is Literal:
        return ", ".join(map(code, arguments))
    if origin is list:
        return f"a list of {plural(words_of(arguments[0]))}"
    if origin is tuple:
        return "[height, width]"
    return PLAIN.get(annotation, "a section, see below")


def plural(words: str) -> str:
    return {"a number": "numbers", "a section, see below": "sections, see below"}.get(words, words)


def limits_of(field: FieldInfo) -> list[str]:
    """The bounds of a number; text has a pattern, which the builder's error shows."""
    found = [(name, getattr(limit, name)) for limit in field.metadata for name in LIMITS if hasattr(limit, name)]
    return [f"{LIMITS[name]} {value:g}" for name, value in found]


def default_of(field: FieldInfo) -> str:
    """As written in model.yaml."""
    if field.is_required():
        return "required"
    default = field.default
    if default is None or default == []:
        return "none"
    if isinstance(default, BaseModel):
        return "its keys' defaults"
    return code(str(default).lower() if isinstance(default, bool) else str(default))
