"""Every change of the model store is atomic, whenever the builder is killed."""

import json
import multiprocessing
from pathlib import Path

import pytest

from builder.publish.store import MANIFEST, ModelStore
from contract.archive import archive_sha256, file_sha256


def record(archive: Path, name: str = "m", version: str = "1.0", **more: object) -> dict:
    return {
        "name": name,
        "version": version,
        "status": "available",
        "archive": archive.name,
        "sha256": archive_sha256(archive),
        "samples": [{"file": path.name, "sha256": file_sha256(path)} for path in archive.parent.glob("samples/*")],
        **more,
    }


def publish(
    store: ModelStore, content: str, name: str = "m-1.0.mar", samples: tuple[str, ...] = ("1.png",), **more: object
) -> None:
    with store.locked(), store.staging() as staging:
        archive = staging / name
        archive.write_text(content)
        (staging / "samples").mkdir()
        for sample in samples:
            (staging / "samples" / sample).write_text(content)
        store.publish(record(archive, **more), staging)


def verifies(store: ModelStore) -> bool:
    """Whether every record, or its pending one, describes the archive on the disk, which is the runtime's rule."""
    return all(
        any(store.has(candidate) for candidate in (known, known.get("pending")) if candidate)
        for known in store.records()
    )


def test_a_published_archive_verifies(store: ModelStore) -> None:
    publish(store, "one")
    assert store.has(store.find("m", "1.0"))
    assert sorted(path.name for path in store.folder.iterdir()) == [".lock", "m-1.0.mar", MANIFEST, "samples"]


def test_the_newest_version_comes_first(store: ModelStore) -> None:
    for version in ("9.0", "10.0", "1.0"):
        publish(store, version, name=f"m-{version}.mar", version=version)
    assert [known["version"] for known in store.records()] == ["10.0", "9.0", "1.0"]


@pytest.mark.parametrize("step", range(1, 5))
def test_a_builder_killed_while_publishing_leaves_a_store_that_verifies(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    publish(store, "old")
    renames = iter(range(1, 10))
    rename = Path.replace

    def die_at_step(self: Path, target: Path) -> Path:
        if next(renames) == step:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", die_at_step)
    with pytest.raises(KeyboardInterrupt):
        publish(store, "new")
    monkeypatch.undo()
    assert verifies(store)
    with store.locked():
        known = store.find("m", "1.0")
    assert "pending" not in known
    assert store.has(known)


def test_a_killed_builders_leftovers_are_cleared_by_the_next(store: ModelStore) -> None:
    (store.folder / ".staging").mkdir()
    (store.folder / ".staging" / "half").write_text("half")
    (store.folder / ".manifest-half").write_text("{")
    with store.locked():
        assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_a_model_that_is_no_longer_named_goes_with_its_archive(store: ModelStore) -> None:
    publish(store, "one")
    with store.locked():
        assert [gone["name"] for gone in store.retain(set())] == ["m"]
    assert not (store.folder / "m-1.0.mar").exists()
    assert list((store.folder / "samples").iterdir()) == []
    assert json.loads((store.folder / MANIFEST).read_text())["models"] == []


def test_what_was_tuned_is_not_the_builders_to_change(store: ModelStore) -> None:
    (store.folder / "tuned.json").write_text("{}")
    publish(store, "one")
    publish(store, "two")
    with store.locked():
        store.retain(set())
    assert (store.folder / "tuned.json").read_text() == "{}"


def test_another_format_takes_the_place_of_the_archive(store: ModelStore) -> None:
    publish(store, "zip")
    publish(store, "tar", name="m-1.0.tar.gz")
    assert not (store.folder / "m-1.0.mar").exists()
    assert store.has(store.find("m", "1.0"))


def test_a_folder_archive_is_replaced_whole(store: ModelStore) -> None:
    for content in ("one", "two"):
        with store.locked(), store.staging() as staging:
            archive = staging / "m-1.0"
            archive.mkdir()
            (archive / f"{content}.txt").write_text(content)
            store.publish(record(archive), staging)
    assert [path.name for path in (store.folder / "m-1.0").iterdir()] == ["two.txt"]
    assert store.has(store.find("m", "1.0"))


def test_a_damaged_archive_does_not_count_as_there(store: ModelStore) -> None:
    publish(store, "one")
    (store.folder / "m-1.0.mar").write_text("one!")
    assert not store.has(store.find("m", "1.0"))


def test_samples_are_replaced_with_their_model(store: ModelStore) -> None:
    publish(store, "one", samples=("1.png", "2.png"))
    assert store.has_samples(store.find("m", "1.0"))
    publish(store, "two", samples=("2.png", "3.png"))
    assert sorted(path.name for path in (store.folder / "samples/m-1.0").iterdir()) == ["2.png", "3.png"]
    assert store.has_samples(store.find("m", "1.0"))


def test_a_missing_or_damaged_sample_does_not_count_as_there(store: ModelStore) -> None:
    publish(store, "one")
    sample = store.folder / "samples/m-1.0/1.png"
    sample.write_text("one!")
    assert not store.has_samples(store.find("m", "1.0"))
    sample.unlink()
    assert not store.has_samples(store.find("m", "1.0"))


def test_a_model_that_became_unavailable_loses_its_samples(store: ModelStore) -> None:
    publish(store, "one")
    with store.locked():
        store.publish_unavailable({"name": "m", "version": "1.0", "status": "unavailable"})
    assert not (store.folder / "samples/m-1.0").exists()


def _hold(folder: Path, name: str, log: Path) -> None:
    store = ModelStore(folder)
    with store.locked(), store.staging():
        with log.open("a") as file:
            file.write(f"{name} in\n")
        publish_inside(store, name)
        with log.open("a") as file:
            file.write(f"{name} out\n")


def publish_inside(store: ModelStore, name: str) -> None:
    for round_ in range(20):
        archive = store.folder / ".staging" / f"{name}-1.0.mar"
        archive.write_text(f"{name} {round_}")
        store.publish(record(archive, name=name), archive.parent)


def test_two_builders_at_once_take_turns(store: ModelStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    spawn = multiprocessing.get_context("spawn")
    builders = [spawn.Process(target=_hold, args=(store.folder, name, log)) for name in ("a", "b")]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(60)
        assert builder.exitcode == 0
    lines = log.read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["in", "out", "in", "out"]
    assert {known["name"] for known in store.records()} == {"a", "b"}
    assert verifies(store)
