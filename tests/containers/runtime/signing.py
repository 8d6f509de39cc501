"""Signs records of the manifest as the builder does."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contract.signature import PAYLOAD_TYPE, payload
from runtime.signatures import RecordVerifier

Entry = dict[str, Any]
OWN, FOREIGN = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def public_pem(private: Any) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(entry: Entry, private: Ed25519PrivateKey = OWN) -> Entry:
    """Signs by hand as DSSE specifies, because the runtime and the builder must agree on the exact bytes."""
    content = payload(entry)
    message = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(content), content)
    keyid = RecordVerifier(public_pem(private)).keyid
    return {**entry, "signature": {"keyid": keyid, "sig": private.sign(message).hex()}}
