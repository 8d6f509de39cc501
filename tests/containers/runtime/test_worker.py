"""The worker's answers to TorchServe's front end, request by request; without Java, using only its protocol."""

import json
import socket
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Callable

import pytest
from front_end import Reply, Worker, is_running, load_message, predict_message, wait_until

from runtime.torchserve import HOME

HANDLER = """
import os, sys

def handle(requests, context):
    if requests is None:
        return None
    bodies = [bytes(request["body"]).decode() for request in requests]
    if "fail" in bodies:
        raise ValueError("asked to fail")
    facts = {"batch": len(requests), "torch": "torch" in sys.modules, "pid": os.getpid()}
    return [{"body": body, **facts} for body in bodies]
"""


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """An unpacked archive whose handler reports how it was called."""
    folder = tmp_path / "toy-1.0.mar"
    folder.mkdir()
    (folder / "handler.py").write_text(textwrap.dedent(HANDLER))
    return folder


@pytest.fixture
def start(model_folder: Path) -> Iterator[Callable[[int], Worker]]:
    """Starts the worker for a port; all workers end with the test."""
    with ExitStack() as stack:

        def run(port: int) -> Worker:
            worker = Worker(model_folder, port)
            stack.callback(worker.kill)
            return worker

        yield run


def body(reply: Reply) -> dict:
    """Returns the handler's answer to the first request."""
    return json.loads(reply.predictions[0][3])


def test_a_single_worker_answers_a_batch_in_order_and_imports_no_torch(start: Callable[[int], Worker]) -> None:
    worker = start(9000)
    assert worker.load().code == 200
    reply = worker.predict(("a", b"one"), ("b", b"two"))
    assert (reply.code, [row[0] for row in reply.predictions]) == (200, ["a", "b"])
    assert body(reply) == {"body": "one", "batch": 2, "torch": False, "pid": worker.process.pid}


def test_a_models_own_modules_may_have_the_names_of_the_workers(
    start: Callable[[int], Worker], model_folder: Path
) -> None:
    names = [module.stem for module in (HOME / "ts").glob("*.py")]
    assert "batch" in names
    for name in names:
        (model_folder / f"{name}.py").write_text("OF = 'the model'\n")
    handle = "def handle(requests, context):\n    return [[module.OF for module in modules]]\n"
    (model_folder / "handler.py").write_text(
        f"import importlib\nmodules = [importlib.import_module(name) for name in {names}]\n{handle}"
    )
    worker = start(9000)
    assert worker.load().code == 200
    assert body(worker.predict(("a", b"one"))) == ["the model"] * len(names)


def test_an_answer_says_which_version_gave_it(start: Callable[[int], Worker], model_folder: Path) -> None:
    (model_folder / "MAR-INF").mkdir()
    manifest = {"model": {"modelName": "toy", "modelVersion": "1.5", "handler": "handler.py"}}
    (model_folder / "MAR-INF/MANIFEST.json").write_text(json.dumps(manifest))
    worker = start(9000)
    worker.load()
    headers = worker.predict(("a", b"one"), ("b", b"two")).headers
    assert [answer["X-Model-Version"] for answer in headers] == ["1.5", "1.5"]


def test_a_message_that_comes_in_pieces_is_read_whole(start: Callable[[int], Worker]) -> None:
    worker = start(9000)
    for message in (load_message(worker.folder), predict_message(("a", b"x" * 300_000))):
        for start_at in range(0, len(message), 50_001):
            worker.sock.sendall(message[start_at : start_at + 50_001])
    assert Reply(worker.sock).code == 200
    assert len(body(Reply(worker.sock))["body"]) == 300_000


def test_a_handler_that_raises_answers_503_and_goes_on(start: Callable[[int], Worker]) -> None:
    worker = start(9000)
    worker.load()
    assert (worker.predict(("a", b"fail")).code, worker.predict(("b", b"fine")).code) == (503, 200)


def test_a_model_that_does_not_load_says_so_and_the_worker_ends(
    model_folder: Path, start: Callable[[int], Worker]
) -> None:
    (model_folder / "handler.py").write_text("def handle(requests, context):\n    raise RuntimeError('broken')\n")
    worker = start(9000)
    assert worker.load().code == 500
    wait_until(lambda: not is_running(worker.process.pid), "the worker to end")


def test_onnxruntime_is_kept_from_calling_home_even_where_the_images_setting_is_withheld(
    start: Callable[[int], Worker], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TorchServe's blacklist_env_vars withholds variables from workers."""
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    (model_folder / "handler.py").write_text(
        "import os\n\ndef handle(requests, context):\n    return [dict(os.environ)]\n"
    )
    worker = start(9000)
    worker.load()
    assert body(worker.predict(("a", b"one")))["ORT_DISABLE_TELEMETRY"] == "1"


def test_json_that_is_none_is_handed_over_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOME / "ts"))
    import otf_codec

    bodies = [b"{", b"\xff", b"[" * 50_000]
    message = predict_message(*(("id", body) for body in bodies), content_type="application/json")
    near, far = socket.socketpair()
    with near, far:
        near.sendall(message)
        _, requests = otf_codec.retrieve_msg(far)
    assert [request.inputs["body"] for request in requests] == bodies


def test_each_body_of_a_batch_is_parsed_once_however_many_pieces_the_batch_comes_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(HOME / "ts"))
    import otf_codec

    parsed = []
    monkeypatch.setattr(otf_codec, "_decoded", lambda value, content_type: parsed.append(len(value)))
    message = predict_message(*(("id", b"x" * 100_000) for _ in range(5)))
    near, far = socket.socketpair()
    with near, far:
        sending = threading.Thread(target=near.sendall, args=(message,))
        sending.start()
        otf_codec.retrieve_msg(far)
        sending.join()
    assert parsed == [100_000] * 5


def test_messages_are_read_and_written_as_upstreams_codec_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOME / "ts"))
    monkeypatch.delitem(sys.modules, "ts.protocol.otf_message_handler", raising=False)
    import otf_codec
    from ts.context import Context, RequestProcessor
    from ts.protocol import otf_message_handler as upstream

    requests = [("a", b'{"x": 1}'), ("b", b"[2]")]
    message = predict_message(*requests, content_type="application/json")
    ours, theirs = [], []
    for read, result in ((upstream.retrieve_msg, theirs), (otf_codec.retrieve_msg, ours)):
        near, far = socket.socketpair()
        with near, far:
            near.sendall(message)
            result.append(read(far))
    assert ours[0][0] == theirs[0][0]
    for mine, other in zip(ours[0][1], theirs[0][1]):
        assert mine.id == other["requestId"].decode()
        assert mine.inputs == {item["name"]: item["value"] for item in other["parameters"]}
    for answers in (["text", b"bytes"], [{"a": 1.5}, [1, 2]], None):
        context = Context("toy", "/", {}, 1, None, "")
        context.request_processor = [RequestProcessor({}), RequestProcessor({})]
        context.set_response_content_type(0, "application/json")
        context.set_response_status(code=400, phrase="Bad Request", idx=1)
        arguments = (answers, {0: "a", 1: "b"}, "Prediction success", 200, context)
        assert otf_codec.create_predict_response(*arguments) == upstream.create_predict_response(*arguments)
