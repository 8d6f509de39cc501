"""Keys and signatures as docs/guides/provenance.md describes them, by openssl and none of the stack's own code."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

PAYLOAD_TYPE = b"application/vnd.torchserve-stack.record+json"


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Makes a new key pair; returns the private and the public file."""
    folder.mkdir()
    private, public = folder / "signing.pem", folder / "verify.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", str(private))
    openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    return private, public


def signed(record: dict[str, Any], private: Path) -> dict[str, Any]:
    """Returns the record with a signature by `private` instead of any other."""
    content = {key: value for key, value in record.items() if key not in ("signature", "pending")}
    payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    message = private.with_name("message")
    message.write_bytes(b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(payload), payload))
    signature = openssl("pkeyutl", "-sign", "-inkey", str(private), "-rawin", "-in", str(message))
    public = openssl("pkey", "-in", str(private), "-pubout", "-outform", "DER")
    return {**content, "signature": {"keyid": hashlib.sha256(public).hexdigest(), "sig": signature.hex()}}


def openssl(*arguments: str) -> bytes:
    ended = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert ended.returncode == 0, f"openssl {' '.join(arguments)}: {ended.stderr.decode()}"
    return ended.stdout
