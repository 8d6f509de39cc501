"""What the words after `scripts/stack test` ask for: which tests, and so what has to be there before they run."""

from __future__ import annotations

from pathlib import Path

from stackcli.common.paths import ROOT
from stackcli.testing.suites import SUITES, TESTS

# A verb → what pytest is told. `unit` leaves out what makes whole Python environments.
VERBS = {"unit": ["tests/unit", "-m", "not slow"], "lint": ["tests/checks"], "page": ["tests/browser"]}
WITHOUT_COMPOSE = ["-m", "not docker"]


def pytests_words(arguments: list[str], has_compose: bool) -> list[str]:
    """A verb in front stands for its folder; without Compose, `lint` leaves the compose files out."""
    verb, *rest = arguments or [""]
    if verb not in VERBS:
        return arguments
    return [*VERBS[verb], *(WITHOUT_COMPOSE if verb == "lint" and not has_compose else []), *rest]


def suite_of(arguments: list[str]) -> tuple[str, list[str]] | None:
    """The suite that a verb or a path names, and the words for the pytest in its image; None: another test is named."""
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
    """Whether pytest, so called, runs tests/`folder`: it names that, what lies in it or around it, or nothing."""
    tests = ROOT / "tests" / folder
    named = [path for path in map(path_of, arguments) if path.exists()]
    return not named or any(tests.is_relative_to(path) or path.is_relative_to(tests) for path in named)


def side_by_side(arguments: list[str]) -> list[str]:
    """What makes pytest run its tests in lanes (tests/lanes.py): a run of all of them, or of all of the stack's."""
    named = [path for path in map(path_of, arguments) if path.exists()]
    is_whole = all(path in (ROOT / "tests", ROOT / "tests/integration") for path in named)
    return ["-n", "auto"] if is_whole else []


def path_of(word: str) -> Path:
    return (ROOT / word.partition("::")[0]).resolve()
