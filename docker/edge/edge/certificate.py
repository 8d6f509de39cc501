"""The certificate and its private key, checked before HAProxy sees them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from edge.errors import EdgeError

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
    """Why clients refuse the certificate as of now; empty where its time has not run out."""
    ended = _openssl("x509", "-noout", "-enddate", "-checkend", "0", text=(folder / CERTIFICATE).read_text())
    end = ended.stdout.partition("=")[2].partition("\n")[0]
    return "" if ended.returncode == 0 else f"expected a certificate that is valid today, found it expired on {end}"


def _public_key(*arguments: str, text: str) -> str:
    ended = _openssl(*arguments, text=text)
    if ended.returncode != 0:
        name = CERTIFICATE if arguments[0] == "x509" else PRIVATE_KEY
        raise EdgeError(f"PEM in {name}", "something that openssl cannot read", REMEDY)
    return ended.stdout


def _openssl(*arguments: str, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False)
