"""Verifies the signatures of the manifest's records with the user's public key, which Compose mounts as a secret.

Each record has its own signature (DSSE, https://github.com/secure-systems-lab/dsse), made by the builder. Without a key
nothing is verified.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from contract.signature import PAYLOAD_TYPE, payload
from runtime.errors import ServingError

MAKE_KEY = "`openssl pkey -in signing.pem -pubout -out verify.pem` and STACK_VERIFY_KEY=./verify.pem"


class RecordVerifier:
    """Verifies records with the user's public key."""

    def __init__(self, pem: bytes) -> None:
        """Reads the key. Raises ServingError for anything but an Ed25519 public key in PEM."""
        # Imported here, so that a stack without a key does not pay for it at start.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
        from securesystemslib.signer import SSlibKey

        try:
            public = load_pem_public_key(pem)
        # The type of the error depends on what the file contains.
        except Exception as error:
            found = next(iter(str(error).splitlines()), type(error).__name__)
            raise ServingError("STACK_VERIFY_KEY to be an Ed25519 public key in PEM", found, MAKE_KEY) from None
        if not isinstance(public, Ed25519PublicKey):
            raise ServingError("STACK_VERIFY_KEY to be an Ed25519 public key", type(public).__name__, MAKE_KEY)
        # `openssl pkey -pubin -in verify.pem -outform DER | sha256sum` prints the same.
        self.keyid = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        self._key = SSlibKey.from_crypto(public, self.keyid)

    def problem(self, record: Mapping[str, Any]) -> str:
        """Returns why the record cannot be trusted, or "" if its signature is valid."""
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
    """Returns None if Compose was given no key (an empty file). Raises ServingError for an unusable key."""
    try:
        pem = key_file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ServingError(
            "a STACK_VERIFY_KEY that user 1000 can read", str(error), "`chmod a+r`, as the key is public"
        ) from None
    return RecordVerifier(pem) if pem else None
