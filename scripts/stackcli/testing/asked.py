"""Interprets the arguments of `scripts/stack test`: which tests to run, and so what to set up first."""

from __future__ import annotations

from pathlib import Path

from stackcli.common.paths import ROOT
from stackcli.testing.suites import SUITES, TESTS

# Verb → pytest's arguments. `unit` leaves out the tests that create whole Python environments.
VERBS = {"unit": ["tests/unit", "-m", "not slow"], "lint": ["tests/checks"], "page": ["tests/browser"]}
WITHOUT_COMPOSE = ["-m", "not docker"]


def pytests_words(arguments: list[str], has_compose: bool) -> list[str]:
    """Replaces a leading verb by its folder; without Compose, `lint` leaves out the compose files."""
    verb, *rest = arguments or [""]
    if verb not in VERBS:
        return arguments
    return [*VERBS[verb], *(WITHOUT_COMPOSE if verb == "lint" and not has_compose else []), *rest]


def suite_of(arguments: list[str]) -> tuple[str, list[str]] | None:
    """Returns the suite that a verb or a path names, and the arguments for pytest in its image; None if none does."""
    if arguments and arguments[0] in SUITES:
        return arguments[0], [f"/tests/{arguments[0]}", *arguments[1:]]
    for index, word in enumerate(arguments):
        path = path_of(word)
        if path.exists() and path.is_relative_to(TESTS) and path != TESTS:
            suite, *rest = path.relative_to(TESTS).parts
            if suite in SUITES:
                inside = "/".join(["/tests", suite, *rest]) + "".join(word.partition("::")[1:])
                return suite, [*arguments[:index], inside, *arguments[index + 1 :]]
    return None


def reach(arguments: list[str], folder: str) -> bool:
    """Tells whether pytest would run tests/`folder`: the arguments name it, a path in it or above it, or no path."""
    tests = ROOT / "tests" / folder
    named = [path for path in map(path_of, arguments) if path.exists()]
    return not named or any(tests.is_relative_to(path) or path.is_relative_to(tests) for path in named)


def side_by_side(arguments: list[str]) -> list[str]:
    """Returns the options that run tests in lanes (tests/lanes.py), for complete runs; [] for a selection."""
    named = [path for path in map(path_of, arguments) if path.exists()]
    is_whole = all(path in (ROOT / "tests", ROOT / "tests/integration") for path in named)
    return ["-n", "auto"] if is_whole else []


def path_of(word: str) -> Path:
    return (ROOT / word.partition("::")[0]).resolve()
