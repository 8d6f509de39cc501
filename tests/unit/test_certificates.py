"""A certificate that clients trust by its authority, or the user's own, checked before it replaces anything."""

import os
import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stackcli.access.certificates import (
    authority_folder,
    days_left,
    install_generated,
    install_own,
    make_authority,
    make_leaf,
    pem_of_key,
    read_pair,
    time_problem,
)
from stackcli.access.checks import check_certificate, check_edge, edge_read_problem
from stackcli.access.folder import CA, CERTIFICATE, PRIVATE_KEY, secrets_folder
from stackcli.common.errors import ConfigError
from stackcli.project.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(edge_secrets=str(tmp_path / "edge"), compose_file="compose.yaml:compose.prod.yaml")


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for shop.example and its key, as another authority would give them."""
    pair = make_leaf(*make_authority(days=20), ["shop.example"], days=10)
    certificate, private_key = tmp_path / "shop.crt", tmp_path / "shop.key"
    certificate.write_text(pair.certificate_pem)
    private_key.write_text(pair.private_key_pem)
    return certificate, private_key


def handshake(settings: Settings, host: str) -> None:
    """Does a handshake over a pair of sockets with a client that trusts ca.pem. Raises the client's ssl.SSLError."""
    folder = secrets_folder(settings)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / CERTIFICATE, folder / PRIVATE_KEY)
    client = ssl.create_default_context(cafile=str(folder / CA))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server, server_hostname=host), server.wrap_bio(to_server, to_client, True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends[0].version() == "TLSv1.3"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "edge.example", "192.0.2.7"])
def test_clients_that_have_the_authority_trust_each_of_its_names(settings: Settings, host: str) -> None:
    pair = install_generated(settings, ["edge.example", "192.0.2.7"], days=30, force=False)
    assert pair.hosts == ["localhost", "127.0.0.1", "edge.example", "192.0.2.7"]
    assert isinstance(pair.certificate.public_key(), ec.EllipticCurvePublicKey)
    assert days_left(pair.certificate) == 29
    handshake(settings, host)


def test_another_name_is_not_trusted(settings: Settings) -> None:
    install_generated(settings, [], days=30, force=False)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(settings, "other.example")


def test_a_renewed_certificate_is_trusted_by_who_trusted_the_first(settings: Settings) -> None:
    first = install_generated(settings, [], days=30, force=False)
    authority = (secrets_folder(settings) / CA).read_text()
    second = install_generated(settings, [], days=30, force=True)
    assert first.certificate.serial_number != second.certificate.serial_number
    assert (secrets_folder(settings) / CA).read_text() == authority
    handshake(settings, "localhost")


def test_an_authority_that_would_end_first_is_made_anew(settings: Settings) -> None:
    install_generated(settings, [], days=30, force=False)
    authority = (secrets_folder(settings) / CA).read_text()
    install_generated(settings, [], days=4000, force=True)
    assert (secrets_folder(settings) / CA).read_text() != authority
    handshake(settings, "localhost")


def test_the_authoritys_key_is_not_in_the_folder_that_is_mounted(settings: Settings) -> None:
    install_generated(settings, [], days=30, force=False)
    assert {path.name for path in secrets_folder(settings).iterdir()} == {CERTIFICATE, PRIVATE_KEY, CA}
    assert stat.S_IMODE((authority_folder(settings) / PRIVATE_KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE(authority_folder(settings).stat().st_mode) == 0o700


def test_the_edge_can_read_the_private_key_and_everybody_the_authority(settings: Settings) -> None:
    install_generated(settings, [], days=30, force=False)
    folder = secrets_folder(settings)
    assert edge_read_problem(folder / PRIVATE_KEY) == ""
    mode = 0o600 if os.geteuid() in (0, 1000) else 0o644
    assert stat.S_IMODE((folder / PRIVATE_KEY).stat().st_mode) == mode
    assert stat.S_IMODE((folder / CA).stat().st_mode) == 0o644


def test_a_certificate_is_replaced_with_force_alone(settings: Settings, own: tuple[Path, Path]) -> None:
    install_generated(settings, [], days=30, force=False)
    before = (secrets_folder(settings) / CERTIFICATE).read_text()
    with pytest.raises(ConfigError, match="--force to replace it"):
        install_generated(settings, [], days=30, force=False)
    with pytest.raises(ConfigError, match="--force to replace it"):
        install_own(settings, *own, force=False)
    assert (secrets_folder(settings) / CERTIFICATE).read_text() == before


def test_ones_own_certificate_is_taken_as_it_is(settings: Settings, own: tuple[Path, Path]) -> None:
    install_generated(settings, [], days=30, force=False)
    pair = install_own(settings, *own, force=True)
    folder = secrets_folder(settings)
    assert pair.hosts == ["shop.example"]
    assert (folder / CERTIFICATE).read_text() == own[0].read_text()
    assert (folder / PRIVATE_KEY).read_text() == own[1].read_text()
    assert not (folder / CA).exists(), "another authority signed this one"


def test_a_private_key_of_another_certificate_is_refused(settings: Settings, own: tuple[Path, Path]) -> None:
    own[1].write_text(pem_of_key(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(ConfigError, match="found another certificate's key in "):
        install_own(settings, *own, force=False)
    assert not secrets_folder(settings).exists()


def test_an_encrypted_private_key_is_refused_with_the_command_that_helps(
    settings: Settings, own: tuple[Path, Path]
) -> None:
    key = serialization.load_pem_private_key(own[1].read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"word")
    own[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    with pytest.raises(ConfigError, match="found an encrypted one; try `openssl pkey -in "):
        install_own(settings, *own, force=False)


@pytest.mark.parametrize("content", ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(settings: Settings, own: tuple[Path, Path], content: str) -> None:
    own[0].write_text(content)
    with pytest.raises(ConfigError, match=r"expected a certificate in .*shop\.crt, found something else"):
        install_own(settings, *own, force=False)


def test_a_file_that_is_not_there_is_named(settings: Settings, own: tuple[Path, Path]) -> None:
    own[0].unlink()
    with pytest.raises(ConfigError, match=r"shop\.crt, found No such file"):
        install_own(settings, *own, force=False)


@pytest.mark.parametrize(("start", "end", "problem"), [(-2, -1, "expired"), (1, 2, "is not valid before"), (-1, 1, "")])
def test_a_certificate_whose_time_it_is_not_is_refused(
    settings: Settings, own: tuple[Path, Path], start: int, end: int, problem: str
) -> None:
    pair = read_pair(*own)
    key = serialization.load_pem_private_key(own[1].read_bytes(), None)
    now = pair.certificate.not_valid_before_utc + timedelta(hours=1)
    builder = x509.CertificateBuilder(pair.certificate.issuer, pair.certificate.subject, pair.certificate.public_key())
    builder = builder.serial_number(1).not_valid_before(now + timedelta(days=start))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = builder.not_valid_after(now + timedelta(days=end)).sign(key, hashes.SHA256())
    assert problem in time_problem(certificate)
    own[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    if problem:
        with pytest.raises(ConfigError, match=f"a certificate that is valid today, found one that {problem}"):
            install_own(settings, *own, force=False)
    else:
        install_own(settings, *own, force=False)


@pytest.mark.parametrize(("days", "verdict"), [(29, "warning"), (40, "ok")])
def test_the_preflight_warns_of_a_certificate_that_ends_soon(settings: Settings, days: int, verdict: str) -> None:
    install_generated(settings, [], days=days, force=False)
    assert check_certificate(settings).verdict == verdict


def test_the_preflight_refuses_a_pair_that_does_not_fit(settings: Settings, own: tuple[Path, Path]) -> None:
    install_generated(settings, [], days=30, force=False)
    (secrets_folder(settings) / CERTIFICATE).write_text(own[0].read_text())
    check = check_certificate(settings)
    assert (check.verdict, check.remedy) == ("failed", "`scripts/stack certs --force`")


def test_the_preflight_refuses_a_private_key_that_the_edge_cannot_read(settings: Settings) -> None:
    install_generated(settings, [], days=40, force=False)
    file = secrets_folder(settings) / PRIVATE_KEY
    file.chmod(0o000)
    assert f"which user 1000 may not read (mode 0, owner {file.stat().st_uid})" in check_certificate(settings).found


def test_only_the_closed_stack_needs_a_certificate_and_keys(settings: Settings) -> None:
    assert [check.verdict for check in check_edge(settings)] == ["failed", "failed"]
    assert check_edge(Settings()) == []
    assert (settings.ports, settings.url(8000)) == ({"EDGE_PORT": 8000}, "https://localhost:8000")
