"""A lane: what TorchServe takes for a worker of its own, and is one of the connections that a shared worker serves.

Java gives each worker one batch at a time, and makes a lone request wait for company (maxBatchDelay, from 1 ms).
Without a delay it closes a batch at its second request. A shared worker has many lanes of up to two requests each:
whatever lies in them when it is free is the next batch, and nothing waits. This process hands its socket's name and its
output to the shared worker, and sleeps for as long as Java lets it.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

START_SECONDS = 60.0
# A shared worker that does not even take a new lane for this long hangs, whatever it is computing.
HUNG_SECONDS = 60.0
POLL_SECONDS = 0.02


def run(processes: int, batch_size: int) -> None:
    """Joins (or starts) one of the model's shared workers, which takes `batch_size` requests at once; never returns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sock-type")
    parser.add_argument("--sock-name", required=True)
    parser.add_argument("--metrics-config", required=True)
    options = parser.parse_args()
    index = int(options.sock_name.rpartition(".")[2]) % processes
    shared = join(f"\0torchserve-stack/{Path.cwd()}/{index}", [options.metrics_config, str(batch_size)])
    shared.settimeout(HUNG_SECONDS)
    try:
        socket.send_fds(shared, [options.sock_name.encode()], [1, 2])
        pid = shared.recv(64).decode()
    except socket.timeout:
        kill_peer(shared)
        sys.exit(1)
    if not pid:
        sys.exit(1)
    # Java reads these two lines, word for word.
    print(f"[PID]{pid}\nTorch worker started.", flush=True)
    # What ends this process ends the lane: the connection is open until then. `sleep` holds less memory than Python.
    shared.set_inheritable(True)
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606


def join(name: str, arguments: list[str]) -> socket.socket:
    """A connection to the shared worker of that (abstract) name, which the first lane to come starts."""
    deadline = time.monotonic() + START_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as starter:
        while time.monotonic() < deadline:
            shared = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                shared.connect(name)
                return shared
            except ConnectionRefusedError:
                shared.close()
            try:
                # A name can be taken once: whoever has it starts the worker, the others wait.
                starter.bind(name + "/starter")
            except OSError:
                time.sleep(POLL_SECONDS)
                continue
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("shared_worker.py")), name[1:], *arguments],
                start_new_session=True,
            )
    sys.exit(f"expected a shared worker within {START_SECONDS:g} s, found none; try the lines above")


def kill_peer(connection: socket.socket) -> None:
    """Ends a shared worker that hangs; all of its lanes end with it, and Java starts them again."""
    pid = int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
    print(f"expected the shared worker {pid} to take a lane within {HUNG_SECONDS:g} s: killing it", flush=True)
    os.kill(pid, 9)
