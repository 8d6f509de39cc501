"""Only archives that the manifest lists and the hash confirms are served."""

import subprocess
from pathlib import Path

import pytest

from conftest import record
from contract.archive import archive_sha256
from contract.failure import Failure
from contract.served import State
from runtime.manifest import Model, find_unlisted, judge, judge_all, read_served


def test_an_archive_that_matches_its_hash_is_served(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    model = judge(store, record("mnist", b"weights", serving={"minWorkers": 3}))
    assert (model.state, model.archive, model.serving) == (State.SERVED, "mnist-1.0.mar", {"minWorkers": 3})


@pytest.mark.parametrize(
    ("serving", "workers"),
    [({"minWorkers": 3, "maxWorkers": 3}, 3), ({"minWorkers": 3}, None), ({"batchSize": 8}, None)],
)
def test_an_archives_own_worker_count_holds_only_with_a_maximum_as_torchserve_wants_it(serving, workers) -> None:
    assert Model("mnist", "1.0", State.SERVED, serving=serving).own_workers == workers


def test_a_changed_archive_is_corrupt_and_both_hashes_are_named(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"weights, cut of")
    expected = record("mnist", b"weights")
    found = record("mnist", b"weights, cut of")["sha256"]
    model = judge(store, expected)
    assert model.state is State.CORRUPT
    assert expected["sha256"] in str(model.reason)
    assert found in str(model.reason)


def test_a_missing_archive_is_corrupt(store: Path) -> None:
    model = judge(store, record("mnist", b"weights"))
    assert (model.state, "no file mnist-1.0.mar" in str(model.reason)) == (State.CORRUPT, True)


def test_an_archive_outside_the_store_is_refused(store: Path) -> None:
    (store.parent / "evil.mar").write_bytes(b"weights")
    model = judge(store, record("mnist", b"weights", archive="../evil.mar"))
    assert model.state is State.CORRUPT


def test_an_archive_published_just_before_the_builder_was_killed_is_served_as_its_pending_record(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"new")
    entry = record("mnist", b"old", pending=record("mnist", b"new", trained=False))
    model = judge(store, entry)
    assert (model.state, model.trained, model.size) == (State.SERVED, False, 3)


def test_the_old_archive_is_served_while_the_new_one_is_pending(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"old")
    entry = record("mnist", b"old", pending=record("mnist", b"new", trained=False))
    assert (judge(store, entry).state, judge(store, entry).trained) == (State.SERVED, True)


def test_an_archive_that_is_neither_the_old_nor_the_pending_one_is_corrupt(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"half of the new")
    entry = record("mnist", b"old", pending=record("mnist", b"new"))
    assert judge(store, entry).state is State.CORRUPT


def test_an_unavailable_model_keeps_its_reason_and_remedy(store: Path) -> None:
    entry = {"name": "d", "version": "1.0", "status": "unavailable", "reason": "no network", "remedy": "a file"}
    model = judge(store, entry)
    assert model.state is State.UNAVAILABLE
    assert model.reason
    assert (model.reason.found, model.reason.remedy) == ("no network", "a file")


def test_an_unpacked_model_is_hashed_as_sha256sum_would(store: Path) -> None:
    folder = store / "mnist-1.0"
    (folder / "MAR-INF").mkdir(parents=True)
    (folder / "MAR-INF" / "MANIFEST.json").write_text("{}")
    (folder / "model.py").write_text("class M: ...")
    listing = subprocess.run(
        "find * -type f | xargs sha256sum | sort | sha256sum", shell=True, cwd=folder, capture_output=True, check=True
    )
    assert archive_sha256(folder) == listing.stdout.split()[0].decode()
    model = judge(store, record("mnist", b"", archive="mnist-1.0", sha256=archive_sha256(folder)))
    assert model.state is State.SERVED


def test_a_version_named_twice_is_served_once_for_torchserve_stops_on_it(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    models = judge_all(store, [record("mnist", b"weights"), record("mnist", b"weights")])
    assert [m.state for m in models] == [State.SERVED, State.CORRUPT]


def test_junk_and_subfolders_are_named_but_the_builders_own_files_are_not(store: Path, publish) -> None:
    entries = [record("mnist", b"old", pending=record("mnist", b"new", archive="mnist-1.0.tar.gz"))]
    publish(entries)
    for name in ("mnist-1.0.mar", "mnist-1.0.tar.gz", "releases.json", "notes.mar", ".lock"):
        (store / name).touch()
    for name in ("reports", "samples", ".staging", "old"):
        (store / name).mkdir()
    assert find_unlisted(store, entries) == ["notes.mar", "old"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no such file"),
        ("{", "Expecting"),
        ('{"schema": 2}', "schema 2"),
        ("[]", "schema None"),
        ('{"schema": 1, "models": [{"name": "x"}]}', "something else"),
    ],
)
def test_an_unusable_manifest_says_what_was_expected_and_what_to_try(store: Path, text: str, found: str) -> None:
    if text is not None:
        (store / "manifest.json").write_text(text)
    with pytest.raises(Failure, match=rf"expected .*{found}.*; try `scripts/stack build`"):
        read_served(store)
