"""Who may call what through the closed stack's edge, each cell asked; docs/reference/access.md is what was answered."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import grpc
import pytest

from integration.support.clients.grpc_inference import InferenceClient, compile_messages
from integration.support.closed import WRONG_KEY, ClosedStack
from integration.support.pages.access import CALLERS, GRPC_ROUTES, METHODS, ROUTES, Cell, document, may_ask
from integration.support.users import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs/reference/access.md"
WRITE = "pytest tests/integration/edge/test_access.py --write-docs"
WITH_BODY = ("POST", "PUT", "PATCH")
CLIENTS = 4
LIST_MODELS = "/org.pytorch.serve.grpc.management.ManagementAPIsService/ListModels"


def key_of(caller: str, closed_stack: ClosedStack) -> str | None:
    keys = {"predict": closed_stack.keys["predicting"], "admin": closed_stack.keys["administrating"]}
    return {"nobody": None, "a wrong key": WRONG_KEY, **keys}[caller]


@pytest.fixture(scope="module")
def statuses(closed_stack: ClosedStack, seven: Path) -> dict[Cell, int]:
    """Each cell's answer. What refuses has to say so in full."""
    picture = seven.read_bytes()

    def ask(cell: Cell) -> int:
        body = picture if cell.method in WITH_BODY else None
        answer = closed_stack.ask(cell.method, cell.route, key_of(cell.caller, closed_stack), body)
        if answer.status_code in (401, 403):
            assert answer.headers["WWW-Authenticate"].startswith("Bearer "), cell
            if cell.method != "HEAD":
                assert answer.json().keys() == {"code", "type", "message", "request_id"}, cell
                assert answer.json()["code"] == answer.status_code, cell
                assert answer.json()["request_id"] == answer.headers["X-Request-Id"], cell
        return answer.status_code

    cells = [Cell(route, method, caller) for route in ROUTES for method in METHODS for caller in CALLERS]
    with ThreadPoolExecutor(CLIENTS) as clients:
        return dict(zip(cells, clients.map(ask, cells), strict=True))


@pytest.fixture(scope="module")
def grpc_codes(closed_stack: ClosedStack, seven: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Cell, str]:
    messages = compile_messages(tmp_path_factory.mktemp("messages"))
    trust = grpc.ssl_channel_credentials(Path(closed_stack.authority).read_bytes())
    codes = {}
    for caller in CALLERS:
        key = key_of(caller, closed_stack)
        metadata = [("authorization", f"Bearer {key}")] if key else []
        with grpc.secure_channel(f"localhost:{closed_stack.stack.ports.edge}", trust) as channel:
            client = InferenceClient(channel, messages, metadata)
            list_models: Callable[..., bytes] = channel.unary_unary(LIST_MODELS)
            calls: tuple[Callable[[], object], ...] = (
                partial(client.ping),
                partial(client.predict, "mnist", seven.read_bytes()),
                partial(list_models, b"", metadata=metadata, timeout=30),
            )
            for route, call in zip(GRPC_ROUTES, calls, strict=True):
                codes[Cell(route, "gRPC", caller)] = code_of(call)
    return codes


def code_of(call: Callable[[], object]) -> str:
    try:
        call()
    except grpc.RpcError as error:
        code: str = error.code().name
        return code
    return "OK"


@pytest.mark.parametrize("caller", CALLERS)
def test_who_may_ask_is_answered_and_nobody_else(statuses: dict[Cell, int], caller: str) -> None:
    for cell, status in statuses.items():
        if cell.caller != caller:
            continue
        refusal = 403 if caller == "predict" else 401
        assert (status in (401, 403)) is not may_ask(cell), f"{cell}: {status}"
        assert may_ask(cell) or status == refusal, f"{cell}: {status}"


def test_what_the_scopes_are_for_works(statuses: dict[Cell, int]) -> None:
    for caller in ("predict", "admin"):
        for route in ("/predictions/mnist", "/predictions/mnist/1.0", "/explanations/mnist"):
            assert statuses[Cell(route, "POST", caller)] == 200
        for route in ("/models", "/playground/models.json", "/playground/samples/mnist/1.0/7.png"):
            assert statuses[Cell(route, "GET", caller)] == 200
    for route in ("/models/mnist", "/models/mnist/1.0"):
        assert statuses[Cell(route, "GET", "admin")] == 200
    for route in ("/", "/playground/app.js", "/ping"):
        assert statuses[Cell(route, "GET", "nobody")] == 200


def test_no_key_changes_a_model(statuses: dict[Cell, int]) -> None:
    for route in ("/models", "/models/mnist", "/models/mnist/1.0", "/models/mnist/1.0/set-default"):
        for method in set(METHODS) - {"GET", "HEAD"}:
            assert statuses[Cell(route, method, "admin")] in (404, 405)


def test_grpc_asks_for_the_key_too(grpc_codes: dict[Cell, str]) -> None:
    for cell, code in grpc_codes.items():
        if cell.caller not in GRPC_ROUTES[cell.route]:
            assert code == "UNAUTHENTICATED", cell
        else:
            assert code == ("UNIMPLEMENTED" if cell.route.startswith("management") else "OK"), cell


def test_the_document_says_what_was_answered(
    statuses: dict[Cell, int], grpc_codes: dict[Cell, str], write_docs: bool
) -> None:
    observed = document(statuses, grpc_codes)
    if write_docs:
        DOCUMENT.write_text(observed)
    written = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    assert written == observed, f"FAIL: expected {DOCUMENT.name} to say what was answered, found otherwise; try {WRITE}"
