"""With use_native_io=false, Java and its workers communicate over TCP, with a port per worker."""

import os
import signal
from pathlib import Path

from front_end import wait_until
from toy import is_ready, predict, serving, worker_pid


def test_a_worker_answers_and_its_successor_takes_over_its_port(tmp_path: Path) -> None:
    with serving(tmp_path, use_native_io="false"):
        assert predict(b"x")["batch"] == 1
        killed = worker_pid()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: is_ready() and worker_pid() != killed, "the successor to be READY")
        assert predict(b"y")["batch"] == 1
        assert not list(tmp_path.glob(".ts.sock.*")), "a Unix socket"
        assert [path.name for path in (tmp_path / "workers/toy/1.0").iterdir()] == ["9000.json"]
