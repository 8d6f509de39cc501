"""TorchServe's own keys: read from the file that Java writes, and renewed before they expire.

With token authorisation on, Java makes three keys at each start and writes them to key_file.json in its working folder:
`inference` (8080, 7070) and `management` (8081, 7071) expire after token_expiration_min, `API` renews either of them
(https://github.com/pytorch/serve/blob/master/docs/token_authorization_api.md). A renewed key replaces the one before.
"""

import calendar
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from runtime.state import TEMP

KEY_FILE = "key_file.json"
KINDS = ("inference", "management")
MANAGEMENT = "http://127.0.0.1:8081"
# A healthy TorchServe answers in milliseconds, a busy machine's in a second.
TIMEOUT_SECONDS = 2
# A key that is handed out lasts at least so long. More than the entrypoint's pause between two looks.
MARGIN_SECONDS = 5


def usable_key(kind: str, temp: Path = TEMP) -> str:
    """A key of that kind that has not expired, renewed where it is about to; "" where TorchServe asks for none.

    Raises OSError where TorchServe does not answer, ValueError where the file is just being written.
    """
    path = temp / KEY_FILE
    if not path.is_file():
        return ""
    keys = json.loads(path.read_text(encoding="utf-8"))
    if expiry_of(keys[kind]) - time.time() < MARGIN_SECONDS:
        with open_with(keys["API"]["key"], f"{MANAGEMENT}/token?type={kind}"):
            keys = json.loads(path.read_text(encoding="utf-8"))
    key: str = keys[kind]["key"]
    return key


def expiry_of(entry: "dict[str, str]") -> int:
    """Seconds since the epoch, from Java's Instant in UTC: 2026-11-24T22:23:32.952499Z."""
    return calendar.timegm(time.strptime(entry["expiration time"][:19], "%Y-%m-%dT%H:%M:%S"))


def open_with(key: str, url: str) -> Any:
    """The answer of a GET, with the key where there is one. Raises OSError (HTTPError for a refusal)."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)  # noqa: S310
