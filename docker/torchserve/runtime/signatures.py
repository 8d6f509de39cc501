"""Verifies who wrote a record of the manifest, with the public key of the user's that compose mounts as a secret.

Each record carries a signature by itself (DSSE, https://github.com/secure-systems-lab/dsse), which the builder made.
Without a key nothing is verified.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from contract.signature import PAYLOAD_TYPE, payload
from runtime.errors import ServingError

MAKE_KEY = "`openssl pkey -in signing.pem -pubout -out verify.pem` and STACK_VERIFY_KEY=./verify.pem"


class RecordVerifier:
    """The user's public key."""

    def __init__(self, pem: bytes) -> None:
        """Raises ServingError for anything but an Ed25519 public key in PEM."""
        # Imported only where there is a key: it costs the start of every other stack nothing.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
        from securesystemslib.signer import SSlibKey

        try:
            public = load_pem_public_key(pem)
        # Which error it is depends on what was found in place of a key.
        except Exception as error:
            found = next(iter(str(error).splitlines()), type(error).__name__)
            raise ServingError("an Ed25519 public key in PEM as STACK_VERIFY_KEY", found, MAKE_KEY) from None
        if not isinstance(public, Ed25519PublicKey):
            raise ServingError("an Ed25519 public key as STACK_VERIFY_KEY", type(public).__name__, MAKE_KEY)
        # `openssl pkey -pubin -in verify.pem -outform DER | sha256sum` prints the same.
        self.keyid = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        self._key = SSlibKey.from_crypto(public, self.keyid)

    def problem(self, record: Mapping[str, Any]) -> str:
        """Why the record is not to be trusted; "" where its signature is valid."""
        from securesystemslib.dsse import Envelope
        from securesystemslib.exceptions import VerificationError
        from securesystemslib.signer import Signature

        written = record.get("signature")
        if not written:
            return "no signature"
        try:
            signature = Signature(str(written["keyid"]), str(written["sig"]))
        except (KeyError, TypeError):
            return "a signature without `keyid` and `sig`"
        if signature.keyid != self.keyid:
            return f"a signature by another key, {signature.keyid[:16]}"
        try:
            Envelope(payload(record), PAYLOAD_TYPE, {signature.keyid: signature}).verify([self._key], 1)
        except VerificationError:
            return "a record that was altered after it was signed"
        return ""


def load_verifier(key_file: Path) -> Optional[RecordVerifier]:
    """None where compose was given no key (an empty file). Raises ServingError for a key that cannot be used."""
    try:
        pem = key_file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServingError(
            "a STACK_VERIFY_KEY that user 1000 may read", str(error), "`chmod a+r`: it is public"
        ) from None
    return RecordVerifier(pem) if pem else None
