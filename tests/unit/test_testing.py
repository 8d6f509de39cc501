"""The arguments of `scripts/stack test` decide what it sets up: a browser, the stack, an image or nothing."""

import pytest

from stackcli.testing.asked import pytests_words, reach, side_by_side, suite_of
from stackcli.testing.suites import SUITES, TESTS


@pytest.mark.parametrize(
    ("arguments", "drives"),
    [
        ([], True),
        (["-x", "-k", "drawn"], True),
        (["tests"], True),
        (["tests/browser/test_answers.py::test_a_drawn_seven_wins"], True),
        (["tests/unit"], False),
        (["tests/integration", "-x"], False),
    ],
)
def test_only_a_run_of_its_tests_needs_one(arguments: list[str], drives: bool) -> None:
    assert reach(arguments, "browser") is drives


@pytest.mark.parametrize(
    ("verb", "reached"),
    [("unit", set()), ("lint", set()), ("page", {"browser"}), ("", {"browser", "integration", "containers"})],
)
def test_a_verb_needs_what_its_folder_needs(verb: str, reached: set[str]) -> None:
    words = pytests_words([verb, "-x"] if verb else ["-x"], has_compose=True)
    assert {folder for folder in ("browser", "integration", "containers") if reach(words, folder)} == reached
    assert words[-1] == "-x"


def test_without_compose_lint_leaves_out_what_needs_it_and_everything_leaves_out_nothing() -> None:
    assert pytests_words(["lint"], has_compose=False) == ["tests/checks", "-m", "not docker"]
    assert pytests_words(["lint"], has_compose=True) == ["tests/checks"]
    assert pytests_words([], has_compose=False) == []


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["edge", "-k", "keys"], ("edge", ["/tests/edge", "-k", "keys"])),
        (["tests/containers/edge"], ("edge", ["/tests/edge"])),
        (
            ["-x", "tests/containers/runtime/test_log.py::test_a_line"],
            ("runtime", ["-x", "/tests/runtime/test_log.py::test_a_line"]),
        ),
        (["tests/containers"], None),
        (["tests/containers/test_suites.py"], None),
        (["unit"], None),
        ([], None),
    ],
)
def test_a_suite_is_named_by_its_verb_or_by_a_path_in_its_folder(
    arguments: list[str], asked: tuple[str, list[str]] | None
) -> None:
    assert suite_of(arguments) == asked


def test_every_folder_of_the_containers_tests_is_a_suite() -> None:
    found = {file.parent.name for file in TESTS.glob("*/test_*.py")}
    assert found == set(SUITES)


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ([], True),
        (["-x"], True),
        (["tests/integration"], True),
        (["tests/integration/edge"], False),
        (["tests/unit"], False),
    ],
)
def test_only_a_whole_run_has_its_lanes_side_by_side(arguments: list[str], whole: bool) -> None:
    assert side_by_side(arguments) == (["-n", "auto"] if whole else [])
