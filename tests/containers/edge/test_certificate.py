"""A certificate that HAProxy could not use is refused with a clear message before HAProxy gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import make_certificate
from supervisor.certificate import expiry_problem, read_certificate
from supervisor.errors import EdgeError


def test_certificate_and_key_become_one_text(secrets: Path) -> None:
    text = read_certificate(secrets)
    assert [line for line in text.splitlines() if line.startswith("-----")] == [
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
    ]
    assert expiry_problem(secrets) == ""


@pytest.mark.parametrize("name", ["certificate.pem", "private-key.pem"])
def test_a_missing_file_is_named_with_the_remedy(secrets: Path, name: str) -> None:
    (secrets / name).unlink()
    with pytest.raises(EdgeError, match=rf"{name}.*try `scripts/stack certs`"):
        read_certificate(secrets)


@pytest.mark.parametrize("name", ["certificate.pem", "private-key.pem"])
def test_what_is_no_pem_is_named(secrets: Path, name: str) -> None:
    (secrets / name).write_text("nothing of the kind\n")
    with pytest.raises(EdgeError, match=f"expected {name} to be PEM, found content that openssl cannot read"):
        read_certificate(secrets)


def test_another_certificates_key_is_refused(secrets: Path) -> None:
    certificate = (secrets / "certificate.pem").read_text()
    make_certificate(secrets)
    (secrets / "certificate.pem").write_text(certificate)
    with pytest.raises(EdgeError, match=r"expected private-key\.pem to match certificate\.pem, found the key of"):
        read_certificate(secrets)


def test_an_encrypted_key_is_refused_without_asking_for_a_passphrase(secrets: Path) -> None:
    (secrets / "private-key.pem").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAw\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    with pytest.raises(EdgeError, match=r"expected private-key\.pem to be PEM"):
        read_certificate(secrets)
