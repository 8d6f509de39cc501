"""With a key, only records signed with it are used; each refusal gives the reason, and affects no other model."""

import json
from pathlib import Path
from typing import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from signing import FOREIGN, OWN, Entry, public_pem, signed

from conftest import record
from contract.served import State
from runtime import health, prepare
from runtime.errors import ServingError
from runtime.manifest import Model, judge, judge_all
from runtime.signatures import RecordVerifier, load_verifier


@pytest.fixture
def verifier() -> RecordVerifier:
    return RecordVerifier(public_pem(OWN))


@pytest.fixture
def judged(store: Path, verifier: RecordVerifier) -> Callable[[Entry], Model]:
    """Returns the verdict on an entry whose archive contains b"weights"."""
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    return lambda entry: judge(store, entry, verifier)


def test_a_signed_record_is_served_as_it_was_written(judged) -> None:
    model = judged(signed(record("mnist", b"weights", serving={"batchSize": 8}, accuracy={"top1": 0.1 + 0.2})))
    assert (model.state, model.serving) == (State.SERVED, {"batchSize": 8})


def test_a_signature_survives_being_written_and_read(judged) -> None:
    entry = signed(record("mnist", b"weights", note="Übergröße ×", seconds=1e-7))
    assert judged(json.loads(json.dumps(entry, indent=2))).state is State.SERVED


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (record("mnist", b"weights"), "no signature"),
        (signed(record("mnist", b"weights"), FOREIGN), "a signature by another key"),
        ({**signed(record("mnist", b"other")), "sha256": record("mnist", b"weights")["sha256"]}, "altered"),
        ({**signed(record("mnist", b"weights")), "serving": {"batchSize": 4096}}, "altered"),
        ({**signed(record("mnist", b"weights")), "trained": False}, "altered"),
        ({**signed(record("mnist", b"weights")), "signature": "x"}, "without `keyid` and `sig`"),
        ({**signed(record("mnist", b"weights")), "signature": {"keyid": "x", "sig": "y"}}, "another key, x"),
    ],
)
def test_what_the_key_has_not_signed_is_refused_with_the_reason(judged, entry: Entry, reason: str) -> None:
    model = judged(entry)
    assert model.state is State.REFUSED
    assert reason in str(model.reason)
    assert (model.archive, model.serving) == ("", {})


def test_a_foreign_signature_under_our_keys_name_is_no_signature(judged) -> None:
    forged = signed(record("mnist", b"weights"), FOREIGN)
    forged["signature"]["keyid"] = signed(record("mnist", b"weights"))["signature"]["keyid"]
    assert "altered" in str(judged(forged).reason)


def test_a_signed_record_whose_archive_was_changed_is_corrupt(judged) -> None:
    assert judged(signed(record("mnist", b"what was built"))).state is State.CORRUPT


def test_a_pending_record_counts_by_its_own_signature(judged) -> None:
    new = record("mnist", b"weights", bytes=7)
    old = signed(record("mnist", b"old"))
    assert judged({**old, "pending": signed(new)}).state is State.SERVED
    assert judged({**old, "pending": new}).state is State.CORRUPT
    assert judged({**record("mnist", b"old"), "pending": signed(new)}).state is State.SERVED
    assert judged({**record("mnist", b"old"), "pending": new}).state is State.REFUSED


def test_one_models_signed_record_does_not_pass_as_anothers(store: Path, verifier: RecordVerifier) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    entry = {**signed(record("other", b"gone")), "pending": signed(record("mnist", b"weights"))}
    entry.pop("signature")
    model = judge(store, entry, verifier)
    assert (model.state, "a pending record for mnist 1.0" in str(model.reason)) == (State.REFUSED, True)


def test_a_refused_record_costs_its_neighbours_nothing(store: Path, verifier: RecordVerifier) -> None:
    for name in ("good", "bad"):
        (store / f"{name}-1.0.mar").write_bytes(b"weights")
    models = judge_all(store, [signed(record("good", b"weights")), record("bad", b"weights")], verifier)
    assert [model.state for model in models] == [State.SERVED, State.REFUSED]


def test_without_a_key_records_need_no_signature(store: Path) -> None:
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    assert judge(store, record("mnist", b"weights")).state is State.SERVED


def test_health_is_red_and_names_what_was_refused() -> None:
    served, refused = Model("a", "1.0", State.SERVED), Model("b", "1.0", State.REFUSED, is_fault=True)
    workers = [{"modelVersion": "1.0", "workers": [{"status": "READY"}]}]
    assert health.judge([served, refused], lambda name: workers) == (False, "unhealthy: b 1.0: refused, not served")


@pytest.mark.parametrize("content", [b"garbage", public_pem(generate_private_key(65537, 2048))], ids=["garbage", "rsa"])
def test_a_key_that_cannot_verify_stops_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "verify.pem").write_bytes(content)
    with pytest.raises(ServingError, match=r"expected STACK_VERIFY_KEY to be an Ed25519 public key"):
        load_verifier(tmp_path / "verify.pem")


def test_no_key_and_an_empty_one_verify_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert load_verifier(tmp_path / "empty") is load_verifier(tmp_path / "nowhere") is None


@pytest.mark.parametrize("key", [b"", public_pem(OWN)], ids=["without a key", "with a key"])
def test_the_log_says_whether_signatures_are_verified(
    store: Path, publish, tmp_path: Path, key: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "verify.pem").write_bytes(key)
    monkeypatch.setattr(prepare, "VERIFY_KEY", tmp_path / "verify.pem")
    (store / "mnist-1.0.mar").write_bytes(b"weights")
    publish([signed(record("mnist", b"weights"))])
    prepare.choose_models(store)
    expected = f"verified with {RecordVerifier(key).keyid}" if key else "not verified (no STACK_VERIFY_KEY)"
    assert f'"message": "signatures: {expected}"' in capsys.readouterr().out


def test_where_everything_is_refused_nothing_starts(
    store: Path, publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "verify.pem").write_bytes(public_pem(OWN))
    monkeypatch.setattr(prepare, "VERIFY_KEY", tmp_path / "verify.pem")
    publish([record("mnist", b"weights")])
    with pytest.raises(ServingError, match=r"a model to serve .*found mnist 1\.0 refused"):
        prepare.choose_models(store)
