"""Checks the certificate and its private key before HAProxy gets them."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from supervisor.errors import EdgeError

CERTIFICATE, PRIVATE_KEY = "certificate.pem", "private-key.pem"
REMEDY = "`scripts/stack certs`"


def read_certificate(folder: Path) -> str:
    """Returns certificate (chain) and private key in one PEM text, as HAProxy reads them. Raises EdgeError."""
    try:
        certificate, key = ((folder / name).read_text(encoding="ascii") for name in (CERTIFICATE, PRIVATE_KEY))
    except (OSError, ValueError) as error:
        raise EdgeError("a certificate and its private key", str(error), REMEDY) from None
    if _public_key("x509", "-pubkey", "-noout", text=certificate) != _public_key("pkey", "-pubout", text=key):
        raise EdgeError(f"{PRIVATE_KEY} to match {CERTIFICATE}", "the key of another certificate", REMEDY)
    return f"{certificate.rstrip()}\n{key}"


def expiry_problem(folder: Path) -> str:
    """Returns why clients refuse the certificate today, or "" while it is valid."""
    ended = _openssl("x509", "-noout", "-enddate", "-checkend", "0", text=(folder / CERTIFICATE).read_text())
    end = _end_of(ended.stdout)
    problem = f"expected a certificate that is valid today, found one that expired on {end}"
    return problem if ended.returncode else ""


def expires_at(text: str) -> float:
    """Returns when the (first) certificate in a PEM text expires, in seconds since 1970."""
    return float(ssl.cert_time_to_seconds(_end_of(_openssl("x509", "-noout", "-enddate", text=text).stdout)))


def _end_of(printed: str) -> str:
    """Returns `Jan  5 09:34:43 2018 GMT` for `notAfter=Jan  5 09:34:43 2018 GMT`, ignoring later lines."""
    return printed.partition("=")[2].partition("\n")[0]


def _public_key(*arguments: str, text: str) -> str:
    ended = _openssl(*arguments, text=text)
    if ended.returncode != 0:
        name = CERTIFICATE if arguments[0] == "x509" else PRIVATE_KEY
        raise EdgeError(f"{name} to be PEM", "content that openssl cannot read", REMEDY)
    return ended.stdout


def _openssl(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False)
