"""GET /ready of real TorchServe says when requests may come."""

import os
import signal
from pathlib import Path
from typing import Any

from front_end import wait_until
from toy import exchange, get, starting, unpacked, worker_pid


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
        assert error["type"] == "ServiceUnavailableException"
        assert "found none yet of [toy 1.0]" in error["message"]
        loading.unlink()
        wait_until(lambda: ready() == (200, {"status": "Ready"}), "the server to be ready")
        loading.touch()
        os.kill(worker_pid(), signal.SIGKILL)
        assert ready() == (200, {"status": "Ready"})
        loading.unlink()


def is_loading() -> bool:
    """A connection may come before our handlers do: it finds no /ready."""
    try:
        return ready()[0] == 503
    except ConnectionRefusedError:
        return False
