"""Plays TorchServe's Java front end: starts workers as it does, and speaks its side of the protocol."""

import os
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

from runtime.torchserve import HOME

WORKER = HOME / "ts" / "model_service_worker.py"
METRICS = HOME / "ts" / "configs" / "metrics.yaml"
DEADLINE = 60.0


def field(text: "str | bytes") -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack("!i", len(data)) + data


END = struct.pack("!i", -1)


def load_message(folder: Path, handler: str = "handler.py", batch_size: int = 1) -> bytes:
    """Returns LOAD as ModelRequestEncoder.java writes it."""
    head = b"L" + field("toy") + field(str(folder)) + struct.pack("!i", batch_size) + field(handler)
    return head + struct.pack("!i", -1) + field("") + b"\1"


def predict_message(*requests: "tuple[str, bytes]", content_type: str = "application/octet-stream") -> bytes:
    """Returns PREDICT for requests (ID, body)."""
    items = b"".join(
        field(request_id)
        + field("explain")
        + field("False")
        + END
        + field("body")
        + field(content_type)
        + field(body)
        + END
        for request_id, body in requests
    )
    return b"I" + items + END


class Reply:
    """Parses a worker's answer: `code`, `message`, and per request (ID, content type, status, body) and `headers`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.code = self._int()
        self.message = self._take(self._int()).decode()
        self.predictions: list[tuple[str, str, int, bytes]] = []
        self.headers: list[dict[str, str]] = []
        while (size := self._int()) >= 0:
            request_id, content_type = self._take(size).decode(), self._take(self._int()).decode()
            status = self._int()
            self._take(self._int())
            self.headers.append({self._text(): self._text() for _ in range(self._int())})
            self.predictions.append((request_id, content_type, status, self._take(self._int())))

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            received = self._sock.recv(size - len(data))
            if not received:
                raise EOFError("the worker closed the connection")
            data += received
        return data

    def _text(self) -> str:
        return self._take(self._int()).decode()

    def _int(self) -> int:
        return int(struct.unpack("!i", self._take(4))[0])


class Worker:
    """One of the front end's workers: its process and the connection to it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        path = folder.parent / f".ts.sock.{port}"
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(WORKER), "--sock-type", "unix"),
                *("--sock-name", str(path), "--metrics-config", str(METRICS)),
            ],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout
        for line in self.process.stdout:
            if line.rstrip().endswith("Torch worker started."):
                break
        else:
            raise AssertionError(f"expected a worker, found that it ended with {self.process.wait()}")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(str(path))

    def load(self) -> Reply:
        self.sock.sendall(load_message(self.folder))
        return Reply(self.sock)

    def predict(self, *requests: "tuple[str, bytes]") -> Reply:
        self.sock.sendall(predict_message(*requests))
        return Reply(self.sock)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.sock.close()
        if self.process.stdout:
            # Shown if a test fails.
            print(self.process.stdout.read())
            self.process.stdout.close()


def wait_until(condition: Any, what: str) -> None:
    """Polls until true; after the deadline, fails with `what` and the last value."""
    deadline, last = time.monotonic() + DEADLINE, None
    while time.monotonic() < deadline:
        last = condition()
        if last:
            return
        time.sleep(0.02)
    raise AssertionError(f"expected {what} within {DEADLINE:g} s, found {last!r}")


def is_running(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    status: Optional[str] = None
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return status != "Z"
