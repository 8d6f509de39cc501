"""The closed stack's certificate: renewed, unusable, expired or about to expire."""

import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integration.support.closed import FOLLOWED_S, ClosedStack, constant_requests, identity
from integration.support.commands import run_command
from integration.support.polling import wait_until


@pytest.fixture
def rightful(closed_stack: ClosedStack) -> Iterator[None]:
    """Whatever the test does to the certificate, the next one finds a good one served."""
    yield
    closed_stack.do("certs", "--force")
    closed_stack.wait_until_served(closed_stack.certificate().serial_number)


def replace_certificate(closed_stack: ClosedStack, content: str, name: str = "certificate.pem") -> None:
    """As an administrator may do without us: written whole, then renamed."""
    path = closed_stack.secrets / name
    status = path.stat()
    partial = path.with_suffix(".new")
    partial.write_text(content)
    partial.chmod(status.st_mode)
    if partial.stat().st_uid != status.st_uid:
        run_command(["chown", f"{status.st_uid}:{status.st_gid}", str(partial)], {})
    partial.replace(path)


def test_a_certificate_is_renewed_without_a_restart_and_without_a_lost_request(
    closed_stack: ClosedStack, seven: Path
) -> None:
    """Clients go on with the authority that they trust already."""
    before, served = identity(closed_stack.stack), closed_stack.served_certificate()
    authority = Path(closed_stack.authority).read_text()
    with constant_requests(closed_stack, seven.read_bytes()) as wrong:
        closed_stack.do("certs", "--force", "--host", "edge.example")
        closed_stack.wait_until_served(closed_stack.certificate().serial_number)
    assert not wrong, wrong
    assert closed_stack.served_certificate().serial_number != served.serial_number
    assert Path(closed_stack.authority).read_text() == authority
    assert identity(closed_stack.stack) == before


def test_a_certificate_is_not_replaced_unasked(closed_stack: ClosedStack) -> None:
    refused = closed_stack.command("certs")
    assert refused.returncode == 1
    assert "FAIL: expected no certificate yet" in refused.stdout
    assert "--force" in refused.stdout


@pytest.mark.usefixtures("rightful")
@pytest.mark.parametrize("content", ["no certificate\n", "another key's"])
def test_a_certificate_that_cannot_be_used_changes_nothing(closed_stack: ClosedStack, content: str) -> None:
    served = closed_stack.served_certificate()
    if content == "another key's":
        content = signed_certificate(ec.generate_private_key(ec.SECP256R1()), days=1)
    before = closed_stack.stack.said("edge").count("the previous configuration stays in force")
    replace_certificate(closed_stack, content)
    wait_until(
        "the log says so",
        lambda: closed_stack.stack.said("edge").count("the previous configuration stays in force") > before,
        FOLLOWED_S,
    )
    assert closed_stack.served_certificate().serial_number == served.serial_number
    assert "✗ certificate: expected" in closed_stack.command("doctor").stdout


@pytest.mark.usefixtures("rightful")
def test_an_expired_certificate_is_refused_by_clients_and_named_by_doctor(closed_stack: ClosedStack) -> None:
    key = serialization.load_pem_private_key((closed_stack.secrets / "private-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    replace_certificate(closed_stack, signed_certificate(key, days=-1))
    closed_stack.wait_until_served(closed_stack.certificate().serial_number)
    trusting = ssl.create_default_context(cafile=str(closed_stack.secrets / "certificate.pem"))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
        closed_stack.connect(trusting)
    warning = "edge: WARNING: expected a certificate that is valid today"
    wait_until("the edge names it", lambda: warning in closed_stack.stack.said("edge"), 30)
    told = closed_stack.command("doctor")
    assert told.returncode == 1
    assert "expected a certificate that is valid today\n    found one that expired on" in told.stdout


@pytest.mark.usefixtures("rightful")
def test_status_and_doctor_say_when_a_certificate_ends_soon(closed_stack: ClosedStack) -> None:
    closed_stack.do("certs", "--force", "--days", "10")
    for command in ("status", "doctor"):
        assert "WARNING: certificate: expected a certificate valid for 30 more days" in closed_stack.do(command)


def signed_certificate(key: ec.EllipticCurvePrivateKey, days: int) -> str:
    """Self-signed, for localhost; it ended that many days ago where `days` is negative."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=30)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
