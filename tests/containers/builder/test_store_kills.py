"""A builder killed at any of 100 random moments leaves a manifest and archives that match."""

import multiprocessing
import random
import time
from pathlib import Path

from builder.publish.store import ModelStore
from contract.archive import archive_sha256

KILLS = 100
ARCHIVE_BYTES = 256 << 10
# Enough time for several publications, so that a kill may happen at any point of one.
LONGEST_LIFE_S = 0.1


def publish_for_ever(folder: Path, seed: int, began) -> None:
    """Publish two models in turn, with different content each time, as Build does."""
    content = random.Random(seed)
    store = ModelStore(folder)
    began.set()
    while True:
        for name in ("a", "b"):
            with store.locked(), store.staging() as staging:
                archive = staging / f"{name}-1.0.mar"
                archive.write_bytes(content.randbytes(ARCHIVE_BYTES))
                record = {"name": name, "version": "1.0", "status": "available", "archive": archive.name, "samples": []}
                store.publish({**record, "sha256": archive_sha256(archive)}, staging)


def unserved(store: ModelStore) -> list:
    """Return the records that match no archive on the disk by the runtime's rule, which accepts pending ones too."""
    return [
        record
        for record in store.records()
        if not any(store.has(candidate) for candidate in (record, record.get("pending")) if candidate)
    ]


def test_a_store_is_whole_after_each_of_100_kills_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(0)
    fork = multiprocessing.get_context("fork")
    store = ModelStore(tmp_path)
    published, pending = 0, 0
    last = ""
    for number in range(KILLS):
        began = fork.Event()
        builder = fork.Process(target=publish_for_ever, args=(tmp_path, number, began))
        builder.start()
        assert began.wait(30), "the builder did not start"
        time.sleep(moments.uniform(0, LONGEST_LIFE_S))
        builder.kill()
        builder.join(30)
        assert builder.exitcode == -9, f"kill {number}: the builder ended by itself with {builder.exitcode}"
        assert unserved(store) == [], f"after kill {number}"
        text = str(store.records())
        published, last = published + (text != last), text
        pending += "pending" in text
    assert published > KILLS / 4, f"only {published} of {KILLS} builders published anything"
    assert pending, "no kill fell between the two renames: nothing was tested"
    with store.locked():
        assert unserved(store) == []
        assert [record["name"] for record in store.records()] == ["a", "b"]
        assert not any("pending" in record for record in store.records())
        kept = [".lock", "a-1.0.mar", "b-1.0.mar", "manifest.json", "samples"]
        assert sorted(path.name for path in tmp_path.iterdir()) == kept
