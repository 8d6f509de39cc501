"""Which versions are served, and which of them an unversioned request gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest

from conftest import record
from contract.failure import Failure
from contract.releases import Canary
from supervisor.models import Model, read_models

Publish = Callable[..., None]


def only_model(store: Path) -> Model:
    (model,) = read_models(store).routed
    return model


def versions_of(model: Model) -> list[str]:
    return [found["version"] for found in model.versions]


def release(stable: str, *deployed: str, **changes: Any) -> dict[str, Any]:
    return {"m": {"stable": stable, "previous": None, "canary": None, "deployed": list(deployed), **changes}}


def test_an_empty_store_serves_nothing(store: Path) -> None:
    assert read_models(store).routed == read_models(store).unavailable == ()


def test_without_a_release_the_first_record_that_is_no_candidate_is_the_stable_one(
    store: Path, publish: Publish
) -> None:
    publish(record("m", "3.0", candidate=True), record("m", "2.0"), record("m", "1.0"))
    assert only_model(store).stable == "2.0"
    assert versions_of(only_model(store)) == ["3.0", "2.0", "1.0"]


def test_where_all_are_candidates_the_first_is_the_stable_one(store: Path, publish: Publish) -> None:
    publish(record("m", "2.0", candidate=True), record("m", "1.0", candidate=True))
    assert only_model(store).stable == "2.0"


def test_a_release_decides_what_is_served_and_what_is_stable(store: Path, publish: Publish) -> None:
    releases = release("1.0", "1.0", "2.0", previous="2.0")
    publish(record("m", "3.0"), record("m", "2.0"), record("m", "1.0"), releases=releases)
    model = only_model(store)
    assert (model.stable, model.previous, versions_of(model)) == ("1.0", "2.0", ["2.0", "1.0"])


def test_a_canary_gets_its_share(store: Path, publish: Publish) -> None:
    canary = {"version": "2.0", "weight": 10, "sticky_header": "X-Client-Id"}
    publish(record("m", "2.0"), record("m", "1.0"), releases=release("1.0", "1.0", "2.0", canary=canary))
    assert only_model(store).canary == Canary("2.0", 10, "X-Client-Id")


@pytest.mark.parametrize("weight", [-5, 250, "ten", None])
def test_a_share_is_a_percentage(store: Path, publish: Publish, weight: Any) -> None:
    canary = {"version": "2.0", "weight": weight}
    publish(record("m", "2.0"), record("m"), releases=release("1.0", "2.0", "1.0", canary=canary))
    assert only_model(store).canary is None
    (problem,) = read_models(store).problems
    assert "a canary of m" in problem.expected


@pytest.mark.parametrize("header", ["X Y", "X:Y", 'X"', "X{", "x" * 65, "X\nY"])
def test_a_header_that_would_break_the_configuration_is_no_header(store: Path, publish: Publish, header: str) -> None:
    canary = {"version": "2.0", "weight": 1, "sticky_header": header}
    publish(record("m", "2.0"), record("m"), releases=release("1.0", "2.0", "1.0", canary=canary))
    assert only_model(store).canary is None


def test_a_canary_that_is_gone_is_none(store: Path, publish: Publish) -> None:
    canary = {"version": "9.0", "weight": 10}
    publish(record("m"), releases=release("1.0", "1.0", canary=canary))
    assert only_model(store).canary is None


def test_where_the_stable_version_is_gone_the_one_before_takes_its_place(store: Path, publish: Publish) -> None:
    releases = release("3.0", "3.0", "2.0", "1.0", previous="1.0")
    publish(record("m", "2.0"), record("m", "1.0"), releases=releases)
    assert (only_model(store).stable, only_model(store).previous) == ("1.0", None)


def test_a_release_of_versions_that_are_all_gone_counts_as_none(store: Path, publish: Publish) -> None:
    publish(record("m", "2.0"), record("m", "1.0"), releases=release("9.0", "9.0"))
    assert (only_model(store).stable, versions_of(only_model(store))) == ("2.0", ["2.0", "1.0"])


RELEASED = release("2.0", "1.0", "2.0", previous="1.0", canary={"version": "3.0", "weight": 10})


@pytest.mark.parametrize(
    ("releases", "loaded", "stable", "versions"),
    [
        ({}, {"m": {"1.0"}}, "1.0", ["1.0"]),
        ({}, {"m": {"1.0", "2.0"}, "n": {"9.0"}}, "2.0", ["2.0", "1.0"]),
        (RELEASED, {"m": {"1.0"}}, "1.0", ["1.0"]),
        (RELEASED, {"m": {"1.0", "2.0"}}, "2.0", ["2.0", "1.0"]),
        (RELEASED, {"m": {"1.0", "2.0", "9.0"}}, "2.0", ["2.0", "1.0"]),
        (RELEASED, None, "2.0", ["2.0", "1.0"]),
    ],
)
def test_a_version_that_torchserve_does_not_have_is_not_routed_to(
    store: Path, publish: Publish, releases: Any, loaded: Any, stable: str, versions: list[str]
) -> None:
    """TorchServe's versions limit those of manifest and release; if they are unknown, only the files decide."""
    publish(record("m", "2.0"), record("m", "1.0"), releases=releases)
    (model,) = read_models(store, loaded).routed
    assert (model.stable, versions_of(model), model.canary) == (stable, versions, None)


def test_a_canary_that_torchserve_does_not_have_gets_no_requests(store: Path, publish: Publish) -> None:
    releases = release("1.0", "1.0", "2.0", canary={"version": "2.0", "weight": 10})
    publish(record("m", "2.0"), record("m", "1.0"), releases=releases)
    (model,) = read_models(store, {"m": {"1.0"}}).routed
    assert (model.stable, model.canary) == ("1.0", None)


def test_a_model_that_torchserve_does_not_have_is_none(store: Path, publish: Publish) -> None:
    publish(record("m"), record("n"))
    assert [model.name for model in read_models(store, {"n": {"1.0"}}).routed] == ["n"]


def test_what_is_unavailable_is_told_and_not_served(store: Path, publish: Publish) -> None:
    publish(record("n", status="unavailable", reason="no weights"), record("m"))
    models = read_models(store)
    assert [model.name for model in models.routed] == ["m"]
    assert [found["name"] for found in models.unavailable] == ["n"]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "a\nb", 'a"', "a%", "-x", ".x", None, 7])
def test_a_name_that_is_no_part_of_a_path_is_left_out(store: Path, publish: Publish, name: Any) -> None:
    publish(record("m"), {**record("x"), "name": name})
    assert only_model(store).name == "m"


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_damaged_manifest_is_an_error_with_its_name(store: Path, publish: Publish, content: str) -> None:
    publish(record("m"))
    (store / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(Failure, match=r"manifest.json, found .*; try"):
        read_models(store)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_with_damaged_releases_torchserve_decides_and_the_file_is_named(
    store: Path, publish: Publish, content: str
) -> None:
    publish(record("m"))
    (store / "releases.json").write_bytes(content.encode("latin-1"))
    models = read_models(store)
    assert not models.routed[0].is_released
    assert "releases.json" in models.problems[0].expected
