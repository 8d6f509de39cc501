"""Who may call what through the closed stack's edge: one row per route and method, one column per kind of client."""

from collections.abc import Mapping
from dataclasses import dataclass

CALLERS = ("nobody", "a wrong key", "predict", "admin")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Route → who may ask for it at all, whatever then is answered.
EVERYBODY, PREDICT, ADMIN = CALLERS, ("predict", "admin"), ("admin",)
ROUTES: Mapping[str, tuple[str, ...]] = {
    "/": EVERYBODY,
    "/playground/app.js": EVERYBODY,
    "/ping": EVERYBODY,
    "/playground/models.json": PREDICT,
    "/playground/metrics.json": PREDICT,
    "/playground/samples/mnist/1.0/7.png": PREDICT,
    "/predictions/mnist": PREDICT,
    "/predictions/mnist/1.0": PREDICT,
    "/explanations/mnist": PREDICT,
    "/v2/models/mnist": PREDICT,
    "/models": PREDICT,
    "/models/mnist": ADMIN,
    "/models/mnist/1.0": ADMIN,
    "/models/mnist/1.0/set-default": ADMIN,
    "/metrics": PREDICT,
    "/anything/else": PREDICT,
}
GRPC_ROUTES = {
    "inference.InferenceAPIsService/Ping": PREDICT,
    "inference.InferenceAPIsService/Predictions": PREDICT,
    "management.ManagementAPIsService/ListModels": PREDICT,
}
LOG_FIELDS: Mapping[str, str] = {
    "time": "when it was logged, in UTC",
    "request_id": "as in the answer's `X-Request-Id`, and in an error's body",
    "client": "the address that the connection came from",
    "key": "the name of the key; `-` without one",
    "method": "the HTTP method",
    "path": "the path, without the query",
    "model": "the model that was asked for; `-` for other routes",
    "version": "the version that was asked for, or chosen by the edge",
    "routed": "stable or canary, while there is a canary; else `-`",
    "status": "the HTTP status",
    "bytes": "the size of the whole answer",
    "ms": "milliseconds from the request's first byte to the answer's last",
    "us": "microseconds from the request's head to the answer's head",
    "retries": "how often it was sent again, with `+` if to another TorchServe",
    "server": "which TorchServe answered",
    "end": "HAProxy's termination state; `--`: normal",
}
HEAD = """# Who may call what

With compose.prod.yaml, the edge asks for an API key: `Authorization: Bearer KEY`, in gRPC as metadata. Written by
`pytest tests/integration/edge/test_access.py --write-docs` from what the closed stack answered; change nothing here by
hand. A test compares it.

- **nobody** sends no key, **a wrong key** is one that does not exist; the others are made by
  `scripts/stack key add NAME` with `--scope predict` or `--scope admin`.
- 401 and 403 are the edge's, with `WWW-Authenticate` and the JSON `{code, type, message, request_id}`; in gRPC 401 is
  UNAUTHENTICATED. Every other status means that the client was admitted.
- 404: no such route, or one that TorchServe does not serve here; 405: no such method.

"""


@dataclass(frozen=True)
class Cell:
    """One question of one client."""

    route: str
    method: str
    caller: str


def may_ask(cell: Cell) -> bool:
    return cell.caller in ROUTES[cell.route]


def document(statuses: Mapping[Cell, int], grpc_codes: Mapping[Cell, str]) -> str:
    """Methods that are answered alike share a row."""
    lines = [row("route", "method", *CALLERS), row(*["---"] * (2 + len(CALLERS)))]
    for route in ROUTES:
        methods: dict[tuple[int, ...], list[str]] = {}
        for method in METHODS:
            answers = tuple(statuses[Cell(route, method, caller)] for caller in CALLERS)
            methods.setdefault(answers, []).append(method)
        lines += [
            row(f"`{route}`", ", ".join(names), *(str(status) for status in answers))
            for answers, names in methods.items()
        ]
    lines += ["", row("gRPC: org.pytorch.serve.grpc.…", *CALLERS), row(*["---"] * (1 + len(CALLERS)))]
    for route in GRPC_ROUTES:
        lines.append(row(f"`{route}`", *(grpc_codes[Cell(route, "gRPC", caller)] for caller in CALLERS)))
    lines += ["", "## The access log", ""]
    lines += ["`docker compose logs edge`: one JSON object per request, without keys, queries and bodies.", ""]
    lines += [row("field", "meaning"), row("---", "---")]
    lines += [row(f"`{name}`", meaning) for name, meaning in LOG_FIELDS.items()]
    return HEAD + "\n".join(lines) + "\n"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
