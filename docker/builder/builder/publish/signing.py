"""Sign the manifest's records with the user's key, so that the runtime can tell which ones this builder wrote.

Each record has its own signature (DSSE, https://github.com/secure-systems-lab/dsse), so that an altered record affects
only that model. `signature` is not part of what is signed, nor is `pending`, the successor, which has its own.
The runtime verifies it (runtime/signatures.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from builder.errors import BuildError
from builder.record import Record
from contract.signature import PAYLOAD_TYPE, payload

MAKE_KEY = "`openssl genpkey -algorithm ed25519 -out signing.pem` and STACK_SIGNING_KEY=./signing.pem"


class RecordSigner:
    """Holds the user's private key and gives out only signatures."""

    def __init__(self, key_file: Path) -> None:
        """Read the key. Raises BuildError for anything but an unencrypted Ed25519 key in PEM."""
        # Imported here because they are not needed without a key.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
        from securesystemslib.signer import CryptoSigner, SSlibKey

        try:
            private = load_pem_private_key(key_file.read_bytes(), None)
        # An encrypted key raises TypeError, a foreign one possibly UnsupportedAlgorithm.
        except Exception as error:
            raise BuildError("the signing key to be Ed25519 in PEM", _first_line(error), MAKE_KEY) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise BuildError("the signing key to be an Ed25519 private key", type(private).__name__, MAKE_KEY)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        # `openssl pkey -pubin -in verify.pem -outform DER | sha256sum` prints the same.
        keyid = hashlib.sha256(public).hexdigest()
        self._signer = CryptoSigner(private, SSlibKey.from_crypto(private.public_key(), keyid))

    def sign(self, record: Record) -> Record:
        """Return the record with its signature."""
        signature = self._envelope(record).sign(self._signer)
        return {**record, "signature": {"keyid": signature.keyid, "sig": signature.signature}}

    def signed(self, record: Record) -> bool:
        """Whether the record carries a valid signature by this key."""
        from securesystemslib.exceptions import VerificationError
        from securesystemslib.signer import Signature

        envelope = self._envelope(record)
        try:
            signature = Signature(record["signature"]["keyid"], record["signature"]["sig"])
            envelope.signatures[signature.keyid] = signature
            envelope.verify([self._signer.public_key], 1)
        except (KeyError, TypeError, VerificationError):
            return False
        return True

    def _envelope(self, record: Record) -> Any:
        from securesystemslib.dsse import Envelope

        return Envelope(payload(record), PAYLOAD_TYPE, {})


def load_signer(key_file: Path) -> RecordSigner | None:
    """Return None if Compose was given no key (an empty file). Raises BuildError for an unusable key."""
    try:
        if not key_file.exists() or not key_file.read_bytes():
            return None
    except OSError as error:
        raise BuildError(
            "a signing key that the builder can read",
            str(error),
            "`chown` to STACK_UID, which `scripts/stack doctor` prints",
        ) from None
    return RecordSigner(key_file)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
