"""Baked images contain the served models only, and their tag is derived from the contents."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from contract.archive import archive_sha256
from contract.releases import Release
from contract.tuned import Tuned
from stackcli.bake.contents import choose_contents, stage
from stackcli.bake.images import check_repository, follow_push, tag_of
from stackcli.common.console import Waiting
from stackcli.common.errors import BuildError, ConfigError
from stackcli.common.paths import ROOT
from stackcli.project.settings import Settings
from stackcli.store.releases import write_release
from stackcli.store.tuned import write

SOURCES = {"torchserve": "sha256:1", "edge": "sha256:2"}
UNAVAILABLE = {"name": "huge", "version": "1.0", "status": "unavailable", "reason": "no weights", "remedy": "a file"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A store with mnist 2.0 and 1.0 and with toy 1.0, whose archive is a folder."""
    store = tmp_path / "store"
    store.mkdir()
    for label in ("mnist-2.0", "mnist-1.0"):
        (store / f"{label}.mar").write_text(f"the archive of {label}")
        (store / "samples" / label).mkdir(parents=True)
        (store / "samples" / label / "7.png").write_text("a seven")
    (store / "toy-1.0").mkdir()
    (store / "toy-1.0/handler.py").write_text("pass")
    (store / "reports").mkdir()
    archives = {"mnist": ("mnist-2.0.mar", "mnist-1.0.mar"), "toy": ("toy-1.0",)}
    records = [record_of(store, name, archive) for name, found in archives.items() for archive in found]
    write_manifest(store, [UNAVAILABLE, *records])
    return Settings(model_store=str(store))


def record_of(store: Path, name: str, archive: str) -> dict[str, Any]:
    version = archive.removeprefix(f"{name}-").removesuffix(".mar")
    return {
        "name": name,
        "version": version,
        "status": "available",
        "archive": archive,
        "sha256": archive_sha256(store / archive),
        "signature": {"keyid": "1", "sig": f"of {archive}"},
    }


def write_manifest(store: Path, records: list[Mapping[str, Any]]) -> None:
    (store / "manifest.json").write_text(json.dumps({"schema": 1, "models": records}))


def records_in(settings: Settings) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads((Path(settings.model_store) / "manifest.json").read_text())["models"]
    return records


def test_without_names_all_that_is_available_goes_in(settings: Settings) -> None:
    contents = choose_contents(settings, [])
    assert contents.models == ["mnist 2.0", "mnist 1.0", "toy 1.0"]
    assert list(contents.files) == ["manifest.json"]


def test_the_records_of_a_part_are_the_builders_own_with_their_signatures(settings: Settings) -> None:
    contents = choose_contents(settings, ["toy"])
    document = json.loads(contents.files["manifest.json"])
    assert document == {"schema": 1, "models": [record for record in records_in(settings) if record["name"] == "toy"]}


@pytest.mark.parametrize("name", ["huge", "unknown"])
def test_a_model_that_is_not_built_is_refused(settings: Settings, name: str) -> None:
    with pytest.raises(ConfigError, match=f"found {name}; built: mnist, toy; try"):
        choose_contents(settings, ["mnist", name])


def test_a_store_with_nothing_to_serve_is_refused(settings: Settings) -> None:
    write_manifest(Path(settings.model_store), [UNAVAILABLE])
    with pytest.raises(BuildError, match="scripts/stack build"):
        choose_contents(settings, [])


def test_an_archive_that_is_not_the_manifests_is_refused(settings: Settings) -> None:
    (Path(settings.model_store) / "mnist-1.0.mar").write_text("another")
    with pytest.raises(BuildError, match=r"the archive of mnist 1\.0 with sha256 .*; try `scripts/stack build mnist`"):
        choose_contents(settings, [])


def test_of_two_records_that_a_killed_builder_left_the_one_of_the_archive_goes_in(settings: Settings) -> None:
    store = Path(settings.model_store)
    record = record_of(store, "toy", "toy-1.0")
    for old, new in ((record, {**record, "sha256": "0"}), ({**record, "sha256": "0"}, record)):
        write_manifest(store, [{**old, "pending": new}])
        assert choose_contents(settings, []).records == (record,)


def test_a_version_that_a_release_does_not_deploy_stays_out(settings: Settings) -> None:
    write_release(settings, "mnist", Release(stable="1.0", deployed=("1.0",)))
    write_release(settings, "toy", Release(stable="9.0", deployed=("9.0",)))
    contents = choose_contents(settings, [])
    assert contents.models == ["mnist 1.0", "toy 1.0"]
    assert list(json.loads(choose_contents(settings, ["mnist"]).files["releases.json"])["models"]) == ["mnist"]


def test_what_was_tuned_goes_in_for_the_models_that_do(settings: Settings) -> None:
    entry = Tuned(goal="throughput", settings={"workers": 2})
    write(settings, {"mnist 1.0": entry, "toy 1.0": entry})
    assert list(json.loads(choose_contents(settings, ["toy"]).files["tuned.json"])) == ["toy 1.0"]


def test_the_context_holds_what_is_served_and_nothing_else(settings: Settings, tmp_path: Path) -> None:
    write_release(settings, "mnist", Release(stable="1.0", deployed=("1.0",)))
    context = tmp_path / "context"
    context.mkdir()
    (Path(settings.model_store) / "mnist-1.0.mar").chmod(0o600)
    stage(choose_contents(settings, []), ROOT / "config.properties", context)
    files = {file for file in context.rglob("*") if file.is_file()}
    assert {str(file.relative_to(context)) for file in files} == {
        "archives/mnist-1.0.mar",
        "archives/toy-1.0/handler.py",
        "config.properties",
        "store/manifest.json",
        "store/releases.json",
        "store/samples/mnist-1.0/7.png",
    }
    assert {(file.stat().st_mode & 0o777, file.stat().st_mtime) for file in files} == {(0o644, 0)}


def test_the_tag_begins_with_the_hash_of_the_manifest_that_goes_in(settings: Settings) -> None:
    contents = choose_contents(settings, ["mnist"])
    manifest, rest = tag_of(contents, SOURCES).split("-")
    assert hashlib.sha256(contents.files["manifest.json"].encode()).hexdigest().startswith(manifest)
    assert (len(manifest), len(rest)) == (12, 8)


def test_the_tag_is_that_of_the_contents(settings: Settings) -> None:
    """The same contents have the same tag, and each part of the contents affects it."""
    contents = choose_contents(settings, [])
    tag = tag_of(contents, SOURCES)
    assert tag == tag_of(choose_contents(settings, ["toy", "mnist"]), dict(SOURCES))
    released = replace(contents, files={**contents.files, "releases.json": "{}"})
    others = [tag_of(released, SOURCES), *(tag_of(contents, {**SOURCES, name: "sha256:3"}) for name in SOURCES)]
    others.append(tag_of(choose_contents(settings, ["toy"]), SOURCES))
    assert len({tag, *others}) == 5


@pytest.mark.parametrize(
    "name", ["baked", "Registry.example/team", "registry:5000/a/b-c", "[::1]:5000/team", "localhost/stack_2"]
)
def test_these_are_repositories(name: str) -> None:
    check_repository(name, push=True)


@pytest.mark.parametrize("name", ["", "Team/stack", "team/stack:1", "team//stack", "a b", "-team"])
def test_these_are_none(name: str) -> None:
    with pytest.raises(ConfigError, match="an image repository"):
        check_repository(name, push=False)


def test_a_push_needs_a_registry() -> None:
    with pytest.raises(ConfigError, match="a registry to push to, found none; try --repository"):
        check_repository("torchserve-stack/baked", push=True)


def test_a_push_ends_with_the_digest() -> None:
    news = Waiting(None, None, "pushing")
    events: list[dict[str, Any]] = [
        {"status": "Pushing", "id": "1", "progressDetail": {"current": 5, "total": 4}},
        {"status": "Pushed", "id": "1", "progressDetail": {}},
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": "sha256:9", "Size": 4}},
    ]
    assert follow_push(iter(events), news) == "sha256:9"
    with pytest.raises(APIError, match="denied"):
        follow_push(iter([{"error": "denied"}]), news)
