"""A run of the builder scans, lists and (with a key) signs what it publishes, and rebuilds everything else."""

import json
import os
from pathlib import Path

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from builder.errors import BuildError
from builder.publish.signing import RecordSigner, load_signer
from builder.publish.store import ModelStore
from contract.archive import file_sha256


class Attack:
    def __reduce__(self) -> tuple:
        return os.system, ("echo attacked",)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return write_key(tmp_path / "signing.pem", Ed25519PrivateKey.generate())


def write_key(file: Path, key, password: "bytes | None" = None) -> Path:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return file


def test_a_malicious_pickle_is_never_published_and_the_older_archive_goes_on(
    run, store: ModelStore, model_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert run().exit_status == 0
    before = store.find("brightness", "1.0")
    with (model_folder / "handler.py").open("a") as handler:
        handler.write("# changed\n")
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda content, path: save({**content, "more": Attack()}, path))
    capsys.readouterr()
    assert run().exit_status == 1
    assert "brightness 1.0: FAIL: expected pickles in brightness-1.0.mar" in capsys.readouterr().out
    assert store.find("brightness", "1.0") == before
    assert store.has(before)


def test_the_record_says_what_was_scanned_and_names_the_list_of_contents(run, store: ModelStore) -> None:
    run()
    record = store.find("brightness", "1.0")
    assert record["scan"]["pickles"] == 1
    assert "signature" not in record
    sbom = store.folder / record["sbom"]["file"]
    assert file_sha256(sbom) == record["sbom"]["sha256"]


def test_the_list_of_contents_is_valid_complete_and_repeatable(run, store: ModelStore) -> None:
    run()
    record = store.find("brightness", "1.0")
    text = (store.folder / record["sbom"]["file"]).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    archive = bom["metadata"]["component"]
    assert (archive["type"], archive["hashes"][0]["content"]) == ("machine-learning-model", record["sha256"])
    components = {component["bom-ref"]: component for component in bom["components"]}
    assert {"file:handler.py", "file:weights.pth", "file:common/engines.py", "weights"} <= components.keys()
    assert components["weights"]["hashes"][0]["content"] == record["weights"]["sha256"]
    libraries = {c["name"].lower(): c for c in bom["components"] if c["type"] == "library"}
    assert {"numpy", "pillow", "torch", "openvino"} <= libraries.keys()
    assert libraries["numpy"]["purl"].startswith("pkg:pypi/numpy@")
    (store.folder / "manifest.json").unlink()
    run()
    assert (store.folder / record["sbom"]["file"]).read_text() == text


def test_the_record_tells_a_client_what_the_model_takes_and_the_samples_lie_in_the_store(
    run, store: ModelStore, model_folder: Path, capsys: pytest.CaptureFixture
) -> None:
    run()
    record = store.find("brightness", "1.0")
    assert (record["input"]["mode"], record["input"]["size"], record["candidate"]) == ("L", [4, 4], False)
    sample = store.folder / "samples" / "brightness-1.0" / "bright.png"
    assert record["samples"] == [{"file": sample.name, "expected": None, "sha256": file_sha256(sample)}]
    sample.unlink()
    capsys.readouterr()
    run()
    assert "brightness 1.0: built" in capsys.readouterr().out
    assert sample.read_bytes() == (model_folder / "samples" / sample.name).read_bytes()


def test_a_candidate_is_marked_as_one(run, store: ModelStore, model_folder: Path) -> None:
    with (model_folder / "model.yaml").open("a") as spec:
        spec.write("candidate: true\n")
    run()
    assert store.find("brightness", "1.0")["candidate"] is True


def test_a_model_that_goes_takes_its_list_of_contents_along(run, store: ModelStore) -> None:
    run()
    with store.locked():
        store.retain(set())
    assert list((store.folder / "sbom").iterdir()) == []


def test_a_signed_record_counts_as_built_only_as_it_was_written(
    run, store: ModelStore, key_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    signer = RecordSigner(key_file)
    run(signer=signer)
    written = store.find("brightness", "1.0")
    assert signer.signed(written)
    assert not RecordSigner(write_key(tmp_path / "other.pem", Ed25519PrivateKey.generate())).signed(written)
    capsys.readouterr()
    run(signer=signer)
    assert "brightness 1.0: unchanged" in capsys.readouterr().out

    manifest = store.folder / "manifest.json"
    for damage in ({"serving": {"batchSize": 4096}}, {"signature": None}, {"signature": {"keyid": 1, "sig": "x"}}):
        manifest.write_text(json.dumps({"schema": 1, "models": [{**written, **damage}]}))
        run(signer=signer)
        assert "brightness 1.0: not signed with this key; rebuilding it" in capsys.readouterr().out
        assert signer.signed(store.find("brightness", "1.0"))


def test_a_pending_record_is_signed_for_itself(key_file: Path) -> None:
    signer = RecordSigner(key_file)
    old, new = (signer.sign({"name": "m", "version": "1.0", "sha256": digest}) for digest in ("a", "b"))
    assert signer.signed({**old, "pending": new})


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert load_signer(tmp_path / "empty") is load_signer(tmp_path / "nowhere") is None


@pytest.mark.parametrize("kind", ["text", "rsa", "encrypted", "folder"])
def test_a_key_that_cannot_sign_stops_the_builder_before_it_builds(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "signing.pem"
    if kind == "text":
        file.write_text("not a key")
    elif kind == "folder":
        file.mkdir()
    else:
        key = generate_private_key(65537, 2048) if kind == "rsa" else Ed25519PrivateKey.generate()
        write_key(file, key, b"secret" if kind == "encrypted" else None)
    with pytest.raises(BuildError, match=r"expected .*signing key"):
        load_signer(file)
