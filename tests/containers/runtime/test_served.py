"""releases.json decides which versions are served; whatever is wrong with it, something sensible is."""

import json
from pathlib import Path
from typing import Any

import pytest

from runtime.manifest import Model, Verdict
from runtime.served import Served, choose_served, read_releases

NEWEST = Model("mnist", "3.0", Verdict.SERVED, candidate=True)
NEW = Model("mnist", "2.0", Verdict.SERVED)
OLD = Model("mnist", "1.0", Verdict.SERVED)
OTHER = Model("densenet161", "1.0", Verdict.SERVED)


def chosen(store: Path, models: list[Model], entries: Any) -> Served:
    if entries is not None:
        (store / "releases.json").write_text(json.dumps({"schema": 1, "models": entries}))
    releases, problems = read_releases(store)
    served = choose_served(models, releases)
    return Served(served.models, served.defaults, problems + served.problems)


def labels(served: Served) -> list[str]:
    return [model.label for model in served.models if model.verdict is Verdict.SERVED]


def release(stable: str, *deployed: str, **more: Any) -> dict[str, Any]:
    return {"stable": stable, "previous": None, "canary": None, "deployed": list(deployed), **more}


def test_without_a_release_all_versions_are_served_and_the_newest_that_is_no_candidate_is_the_default(
    store: Path,
) -> None:
    served = chosen(store, [OTHER, NEWEST, NEW, OLD], None)
    assert labels(served) == ["densenet161 1.0", "mnist 3.0", "mnist 2.0", "mnist 1.0"]
    assert served.defaults == {"densenet161": "1.0", "mnist": "2.0"}
    assert served.problems == []


def test_a_model_with_nothing_but_candidates_has_a_default_all_the_same(store: Path) -> None:
    assert chosen(store, [NEWEST], None).defaults == {"mnist": "3.0"}


def test_a_release_decides_for_its_model_alone(store: Path) -> None:
    served = chosen(store, [OTHER, NEWEST, NEW, OLD], {"mnist": release("1.0", "1.0", "3.0")})
    assert labels(served) == ["densenet161 1.0", "mnist 3.0", "mnist 1.0"]
    assert served.defaults == {"densenet161": "1.0", "mnist": "1.0"}
    (held,) = [model for model in served.models if model.verdict is Verdict.BUILT]
    assert "scripts/stack release deploy mnist 2.0" in held.detail
    assert served.problems == []


@pytest.mark.parametrize(
    ("entry", "default"),
    [
        (release("9.0", "9.0", "2.0", "1.0", previous="1.0"), "1.0"),
        (release("9.0", "9.0", "3.0", "1.0", previous="8.0"), "1.0"),
        (release("9.0", "9.0", "3.0"), "3.0"),
    ],
)
def test_without_its_stable_version_the_one_before_is_the_default_else_what_a_start_would_choose(
    store: Path, entry: dict[str, Any], default: str
) -> None:
    served = chosen(store, [NEWEST, NEW, OLD], {"mnist": entry})
    assert served.defaults == {"mnist": default}
    (problem,) = served.problems
    assert problem.startswith("expected mnist 9.0 in the model store (releases.json), found no archive to serve;")


def test_where_nothing_of_a_release_is_left_all_versions_are_served(store: Path) -> None:
    corrupt = Model("mnist", "2.0", Verdict.CORRUPT, "expected another hash")
    served = chosen(store, [OTHER, corrupt, OLD], {"mnist": release("2.0", "2.0")})
    assert labels(served) == ["densenet161 1.0", "mnist 1.0"]
    assert served.defaults["mnist"] == "1.0"
    assert "; 1.0 is served; try" in served.problems[0]


def test_a_corrupt_version_that_is_not_deployed_is_nobodys_concern(store: Path) -> None:
    corrupt = Model("mnist", "2.0", Verdict.CORRUPT, "expected another hash")
    served = chosen(store, [corrupt, OLD], {"mnist": release("1.0", "1.0")})
    assert [model.verdict for model in served.models] == [Verdict.BUILT, Verdict.SERVED]


def test_a_release_of_a_model_that_is_gone_is_said_and_passed_over(store: Path) -> None:
    served = chosen(store, [OTHER], {"mnist": release("1.0", "1.0")})
    assert (labels(served), served.defaults) == (["densenet161 1.0"], {"densenet161": "1.0"})
    assert "expected mnist 1.0 in the model store" in served.problems[0]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"models": 3}', '{"models": {"mnist": {"stable": "1.0"}}}'])
def test_a_file_that_cannot_be_read_stops_nobody(store: Path, text: str) -> None:
    (store / "releases.json").write_text(text)
    releases, problems = read_releases(store)
    assert releases == {}
    assert len(problems) == 1
    assert problems[0].startswith("expected ")
