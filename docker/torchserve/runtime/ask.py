"""`python -m runtime.ask`: answers queries of scripts/stack inside the container, so that no port must be published.

`models` prints as JSON the hash of the `settings` that were read at start, what was `chosen` from the manifest, and
TorchServe's own description of every version that it has (`served`). `predict MODEL [VERSION]` sends its stdin to the
model and prints the answer as JSON: its `status`, its `body` as text, and whether it is `untrained`.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from contract.failure import Failure, failure_line
from runtime import health, state
from runtime.errors import ServingError

INFERENCE = "http://127.0.0.1:8080"
# Above a model's longest responseTimeout.
PREDICTION_SECONDS = 600
PAGE = 100  # names per request, the most that TorchServe returns


def main(arguments: Sequence[str]) -> int:
    """Prints the answer and returns 0, or prints a failure as JSON and returns 1."""
    try:
        if list(arguments) == ["models"]:
            print(json.dumps(described_state()))
        elif arguments[:1] == ["predict"] and len(arguments) in (2, 3):
            print(json.dumps(predicted(arguments[1:], sys.stdin.buffer.read())))
        else:
            raise ServingError("`models` or `predict MODEL [VERSION]`", " ".join(arguments), "one of these commands")
    except Failure as failure:
        print(failure_line(failure))
        return 1
    except (OSError, ValueError) as error:
        print(failure_line(Failure("TorchServe to answer in its container", str(error), "`scripts/stack doctor`")))
        return 1
    return 0


def described_state() -> "dict[str, Any]":
    """Returns what was read and chosen at start, and what TorchServe has loaded."""
    start = state.read_start()
    return {
        "settings": start.settings if start else "",
        "chosen": state.described(state.read_chosen()),
        "served": described_models(),
    }


def described_models() -> "list[dict[str, Any]]":
    """Returns the management API's description of every version, with `default`, `engine` and `precision` added."""
    names, token = [], "0"
    while token:
        with health.open_management(f"/models?limit={PAGE}&next_page_token={token}") as answer:
            page = json.load(answer)
        names += [model["modelName"] for model in page["models"]]
        token = page.get("nextPageToken", "")
    return [version for name in names for version in described_versions(name)]


def described_versions(name: str) -> "list[dict[str, Any]]":
    with health.open_management(f"/models/{name}") as answer:
        default = json.load(answer)[0]["modelVersion"]
    return [
        {**version, "default": version["modelVersion"] == default, **in_use(name, version["modelVersion"])}
        for version in health.describe(name)
    ]


def in_use(name: str, version: str) -> "dict[str, str]":
    """Returns the `engine` and `precision` that the version's workers have reported (worker/facts.py); may be empty."""
    said: dict[str, str] = {}
    for path in sorted((state.TEMP / "workers" / name / version).glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        said.update({key: facts[key] for key in ("engine", "precision") if key in facts})
    return said


def predicted(path: Sequence[str], body: bytes) -> "dict[str, Any]":
    """Returns the answer to a prediction, whatever its status. `path`: model, or model and version."""
    url = "/".join([f"{INFERENCE}/predictions", *(urllib.parse.quote(part, safe="") for part in path)])
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=PREDICTION_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return {
            "status": answer.status,
            "untrained": answer.headers.get("X-Model-Untrained") is not None,
            "body": answer.read().decode(errors="replace"),
        }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
