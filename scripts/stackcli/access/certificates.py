"""Creates the edge's certificate with a private authority, or checks and installs the user's own."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stackcli.access.folder import (
    CA,
    CERTIFICATE,
    PRIVATE_KEY,
    make_folder,
    secrets_folder,
    write_private,
    write_secret,
)
from stackcli.common.errors import ConfigError
from stackcli.common.files import write_if_changed
from stackcli.project.settings import Settings

HOSTS = ("localhost", "127.0.0.1")
DAYS, CA_DAYS = 365, 3650


@dataclass(frozen=True)
class Pair:
    """A certificate (the first of its chain), and the PEM texts of the chain and the private key."""

    certificate: x509.Certificate
    certificate_pem: str
    private_key_pem: str

    @property
    def ends(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def hosts(self) -> list[str]:
        try:
            names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return [str(name.value) for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))]


def read_pair(certificate: Path, private_key: Path) -> Pair:
    """Reads both files and checks that they match. Raises ConfigError; `time_problem` checks the validity period."""
    texts = []
    for path in (certificate, private_key):
        try:
            texts.append(path.read_text())
        except (OSError, ValueError) as error:
            found = getattr(error, "strerror", None) or str(error)
            raise ConfigError(f"PEM in {path}", found, "the path of a PEM file") from None
    try:
        chain = x509.load_pem_x509_certificates(texts[0].encode())
    except ValueError:
        raise ConfigError(f"a certificate in {certificate}", "something else", "a PEM file") from None
    try:
        key = serialization.load_pem_private_key(texts[1].encode(), password=None)
    except TypeError:
        found, remedy = "an encrypted one", f"`openssl pkey -in {private_key} -out FILE` to decrypt it"
        raise ConfigError(f"an unencrypted private key in {private_key}", found, remedy) from None
    except ValueError:
        raise ConfigError(f"a private key in {private_key}", "something else", "a PEM file") from None
    if encoded(chain[0].public_key()) != encoded(key.public_key()):
        found = f"another certificate's key in {private_key}"
        raise ConfigError(f"the private key of {certificate}", found, "two files that belong together")
    return Pair(chain[0], *texts)


def encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def time_problem(certificate: x509.Certificate) -> str:
    """Says why clients would refuse the certificate today; empty if they would not."""
    now = datetime.now(timezone.utc)
    if now < certificate.not_valid_before_utc:
        return f"one that is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if now > certificate.not_valid_after_utc:
        return f"one that expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    return ""


def days_left(certificate: x509.Certificate) -> int:
    return (certificate.not_valid_after_utc - datetime.now(timezone.utc)).days


def install_own(settings: Settings, certificate: Path, private_key: Path, force: bool) -> Pair:
    """Installs the user's own certificate after checking that the edge and its clients can use it."""
    pair = read_pair(certificate, private_key)
    if problem := time_problem(pair.certificate):
        raise ConfigError("a certificate that is valid today", f"{problem} in {certificate}", "a renewed one")
    install(settings, pair, force)
    (secrets_folder(settings) / CA).unlink(missing_ok=True)
    return pair


def install_generated(settings: Settings, hosts: Sequence[str], days: int, force: bool) -> Pair:
    """Installs a new certificate for HOSTS and `hosts`, signed by a private authority; clients trust its `ca.pem`."""
    refuse_overwrite(settings, force)
    ca, ca_key = load_or_make_authority(authority_folder(settings), days)
    pair = make_leaf(ca, ca_key, list(dict.fromkeys([*HOSTS, *hosts])), days)
    make_folder(secrets_folder(settings))
    write_if_changed(secrets_folder(settings) / CA, pem(ca))
    install(settings, pair, force=True)
    return pair


def refuse_overwrite(settings: Settings, force: bool) -> None:
    path = secrets_folder(settings) / CERTIFICATE
    if path.exists() and not force:
        raise ConfigError("no certificate yet", str(path), "--force to replace it, or a different EDGE_SECRETS")


def install(settings: Settings, pair: Pair, force: bool) -> None:
    refuse_overwrite(settings, force)
    folder = secrets_folder(settings)
    # For an instant the edge may see a key and a certificate that do not match; it then keeps the previous pair.
    write_secret(folder / PRIVATE_KEY, pair.private_key_pem)
    write_secret(folder / CERTIFICATE, pair.certificate_pem)


def authority_folder(settings: Settings) -> Path:
    """Returns the authority's folder: next to the edge's, so never mounted, and kept for the next certificate."""
    folder = secrets_folder(settings)
    return folder.with_name(f"{folder.name}-ca")


def load_or_make_authority(folder: Path, days: int) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Returns the existing authority if it outlives `days`, else a new one, which clients have to import."""
    certificate, private_key = folder / CERTIFICATE, folder / PRIVATE_KEY
    if certificate.is_file() and private_key.is_file():
        pair = read_pair(certificate, private_key)
        key = serialization.load_pem_private_key(pair.private_key_pem.encode(), password=None)
        if days_left(pair.certificate) >= days and isinstance(key, ec.EllipticCurvePrivateKey):
            return pair.certificate, key
    ca, key = make_authority(max(CA_DAYS, 2 * days))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    write_private(private_key, pem_of_key(key))
    write_private(certificate, pem(ca))
    return ca, key


def make_authority(days: int) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = named("torchserve-stack edge authority")
    builder = unsigned(name, name, key, days)
    builder = builder.add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def make_leaf(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, hosts: Sequence[str], days: int) -> Pair:
    """Makes a server certificate for these names and addresses; the first is its subject."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = unsigned(named(hosts[0]), ca.subject, key, days)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([general_name(host) for host in hosts]), False),
        (authority, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    certificate = builder.sign(ca_key, hashes.SHA256())
    return Pair(certificate, pem(certificate), pem_of_key(key))


def unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    """Starts a certificate that is valid from an hour ago, because clocks differ."""
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def key_usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise ConfigError("a host name or an address", repr(host), "ASCII (xn--… for other scripts)") from None


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    form, unencrypted = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, unencrypted).decode()
