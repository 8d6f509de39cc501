"""In every state of a store, the next build rebuilds what is damaged and nothing else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from store_states import STORE_STATES, StoreState, write_version

from builder.build import Build
from builder.publish.signing import RecordSigner
from builder.publish.store import ModelStore

SOURCE = "the hash of what it is built from"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> RecordSigner:
    private = Ed25519PrivateKey.generate()
    file = tmp_path_factory.mktemp("key") / "signing.pem"
    file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return RecordSigner(file)


def record(version: str, content: bytes, **more: Any) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    made = {"name": "m", "version": version, "status": "available", "archive": f"m-{version}.mar", "sha256": sha256}
    return {**made, "source_sha256": SOURCE, "samples": [], **more}


@pytest.mark.parametrize("described", STORE_STATES, ids=lambda described: described.sentence)
def test_the_builder_makes_again_what_the_table_says(
    tmp_path: Path, signer: RecordSigner, described: StoreState
) -> None:

    def signed_record(version: str, content: bytes, **more: Any) -> dict[str, Any]:
        return signer.sign(record(version, content, **more))

    entries = [write_version(tmp_path, *item, signed_record) for item in described.archives.items()]
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": 1, "models": entries}))
    store = ModelStore(tmp_path)
    with store.locked():
        build = Build(store, tmp_path, tmp_path, signer=signer)
        stale = [one for one in described.archives if not build.is_up_to_date(store.find("m", one), SOURCE)]
    assert stale == list(described.rebuilt)
