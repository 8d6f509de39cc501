"""GET /ready of real TorchServe tells when it can take requests."""

import os
import signal
from pathlib import Path
from typing import Any

from front_end import wait_until
from toy import exchange, get, serving, starting, unpacked, worker_pid

MODELS = {"toy": {"default": "1.0", "versions": ["1.0"]}}


def ready() -> "tuple[int, Any]":
    ((status, _, body),) = exchange(get("/ready"))
    return status, body


def test_it_is_ready_when_every_model_has_had_a_ready_worker_and_stays_so(tmp_path: Path) -> None:
    loading = unpacked(tmp_path) / "loading"
    loading.parent.mkdir(parents=True)
    loading.touch()
    with starting(tmp_path):
        wait_until(is_loading, "the server to answer")
        _, error = ready()
        assert (error["code"], error["type"]) == (503, "ServiceUnavailableException")
        assert "found none yet for [toy 1.0]" in error["message"]
        assert (error["ready"], error["models"]) == (False, MODELS)
        loading.unlink()
        wait_until(lambda: ready() == (200, {"ready": True, "models": MODELS}), "the server to be ready")
        loading.touch()
        os.kill(worker_pid(), signal.SIGKILL)
        assert ready() == (200, {"ready": True, "models": MODELS})
        loading.unlink()


def test_only_reading_it_is_allowed(tmp_path: Path) -> None:
    with serving(tmp_path):
        ((status, _, error),) = exchange(get("/ready").replace("GET", "DELETE"))
        assert (status, error["type"]) == (405, "MethodNotAllowedException")


def is_loading() -> bool:
    """A connection may arrive before our handlers are installed, so that it finds no /ready."""
    try:
        return ready()[0] == 503
    except ConnectionRefusedError:
        return False
