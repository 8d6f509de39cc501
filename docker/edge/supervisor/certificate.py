"""Checks the certificate and its private key before HAProxy gets them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from supervisor.errors import EdgeError

CERTIFICATE, PRIVATE_KEY = "certificate.pem", "private-key.pem"
REMEDY = "`scripts/stack certs`"


def read_certificate(folder: Path) -> str:
    """Certificate (chain) and private key in one PEM text, as HAProxy reads them. Raises EdgeError."""
    try:
        certificate, key = ((folder / name).read_text(encoding="ascii") for name in (CERTIFICATE, PRIVATE_KEY))
    except (OSError, ValueError) as error:
        raise EdgeError("a certificate and its private key", str(error), REMEDY) from None
    if _public_key("x509", "-pubkey", "-noout", text=certificate) != _public_key("pkey", "-pubout", text=key):
        raise EdgeError(f"the private key of {CERTIFICATE}", f"another one in {PRIVATE_KEY}", REMEDY)
    return f"{certificate.rstrip()}\n{key}"


def expiry_problem(folder: Path) -> str:
    """Says why clients refuse the certificate today; empty while it is valid."""
    ended = _openssl("x509", "-noout", "-enddate", "-checkend", "0", text=(folder / CERTIFICATE).read_text())
    end = _end_of(ended.stdout)
    return "" if ended.returncode == 0 else f"expected a certificate that is valid today, found it expired on {end}"


def expires_at(text: str) -> float:
    """When the (first) certificate in a PEM text expires, in seconds since 1970."""
    return float(ssl.cert_time_to_seconds(_end_of(_openssl("x509", "-noout", "-enddate", text=text).stdout)))


def _end_of(printed: str) -> str:
    """`Jan  5 09:34:43 2018 GMT` of `notAfter=Jan  5 09:34:43 2018 GMT` and what follows it."""
    return printed.partition("=")[2].partition("\n")[0]


def _public_key(*arguments: str, text: str) -> str:
    ended = _openssl(*arguments, text=text)
    if ended.returncode != 0:
        name = CERTIFICATE if arguments[0] == "x509" else PRIVATE_KEY
        raise EdgeError(f"PEM in {name}", "something that openssl cannot read", REMEDY)
    return ended.stdout


def _openssl(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False)
