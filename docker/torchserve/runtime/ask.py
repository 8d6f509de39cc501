"""`python -m runtime.ask`: what scripts/stack asks inside the container, where no port has to be published.

`models` prints TorchServe's own description of every model version as JSON; `key inference` or `key management` prints
one usable key, or an empty line where TorchServe asks for none.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from runtime import health
from runtime.errors import ServingError
from runtime.keys import KINDS, MANAGEMENT, open_with, usable_key

PAGE = 100  # names per request; TorchServe gives no more than that


def main(arguments: Sequence[str]) -> int:
    """Answers on stdout; a failure is one line on stderr and exit status 1."""
    try:
        if list(arguments) == ["models"]:
            print(json.dumps(described_models()))
        elif len(arguments) == 2 and arguments[0] == "key" and arguments[1] in KINDS:
            print(usable_key(arguments[1]))
        else:
            raise ServingError("`models`, `key inference` or `key management`", " ".join(arguments), "one of these")
    except (ServingError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def described_models() -> "list[dict[str, Any]]":
    """Every version of every registered model, as the management API describes it, and whether it is the `default`."""
    names, token = [], "0"
    while token:
        with open_with(usable_key("management"), f"{MANAGEMENT}/models?limit={PAGE}&next_page_token={token}") as answer:
            page = json.load(answer)
        names += [model["modelName"] for model in page["models"]]
        token = page.get("nextPageToken", "")
    return [version for name in names for version in described_versions(name)]


def described_versions(name: str) -> "list[dict[str, Any]]":
    with open_with(usable_key("management"), f"{MANAGEMENT}/models/{name}") as answer:
        default = json.load(answer)[0]["modelVersion"]
    return [{**version, "default": version["modelVersion"] == default} for version in health.describe(name)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
