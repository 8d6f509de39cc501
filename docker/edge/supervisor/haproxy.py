"""Starts, reloads and stops HAProxy: a master process and its workers; every reload adds a new worker."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from supervisor.errors import EdgeError
from supervisor.log import follow_haproxy

# Next to the configuration: the master's socket, which also reaches old workers that accept no more connections, and
# the TorchServes' state, which a worker leaves for its successor.
SOCKET, STATE, NO_STATE = ".sock", ".state", "1\n"
RELOAD_SECONDS = 15.0
# Poll interval while stopping, and how many consecutive idle polls end the wait.
POLL_SECONDS, IDLE_POLLS = 0.2, 5
# A large pipe, because HAProxy drops log lines rather than wait for their reader; and how long to wait for the last log
# lines after exit.
PIPE_BYTES, LAST_WORDS_SECONDS = 1 << 20, 2.0


class HAProxy:
    """One HAProxy with the configuration in `config`; call `check` before `start` and `reload`.

    `frontend`: the one whose requests a stop waits for.
    """

    def __init__(self, config: Path, frontend: str = "edge") -> None:
        self.config = config
        self.frontend = frontend
        self._master: subprocess.Popen[bytes] | None = None
        self._follower: threading.Thread | None = None

    def check(self, config: Path) -> None:
        """Has HAProxy check a configuration. Raises EdgeError with HAProxy's own message."""
        ended = subprocess.run(["haproxy", "-c", "-f", str(config)], capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            found = " ".join(line.strip() for line in ended.stderr.splitlines() if "[ALERT]" in line)
            raise EdgeError("a configuration that HAProxy accepts", found, "undoing the last change")

    def start(self) -> None:
        """Starts a master with one worker, whose output goes through supervisor/log.py. Raises EdgeError."""
        self._keep_state(NO_STATE)
        command = ["haproxy", "-W", "-f", str(self.config), "-S", f"{self._socket},mode,600"]
        self._master = subprocess.Popen(
            command,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pipesize=PIPE_BYTES,
        )
        if self._master.stdout:
            self._follower = follow_haproxy(self._master.stdout)
        self._wait_for_another(0)

    def forget(self, name: str, lines: Iterable[str]) -> None:
        """Removes lines (`KEY VALUE`) from a map in all workers, since old ones may still have open connections."""
        for line in lines:
            for worker in self._workers():
                self._ask(f"@!{worker} del map {name} {line.split()[0]}")

    def reload(self) -> None:
        """Starts a new worker; the old one finishes the requests that it has accepted, and ends. Raises EdgeError."""
        before = self.worker()
        self._keep_state(self._ask("@1 show servers state"))
        self._signal(signal.SIGUSR2)
        self._wait_for_another(before)

    def stop(self, seconds: float) -> None:
        """Closes the port and ends HAProxy once all accepted requests are answered, or after `seconds`.

        HAProxy by itself would also wait for idle connections to send their next request.
        """
        worker = self.worker()
        self._signal(signal.SIGUSR1)
        deadline = time.monotonic() + seconds
        idle_polls = 0
        while self.ended is None and time.monotonic() < deadline and idle_polls < IDLE_POLLS:
            time.sleep(POLL_SECONDS)
            requests = self._ask(f"@!{worker} show sess").count(f" fe={self.frontend} ")
            idle_polls = 0 if requests else idle_polls + 1
        self._signal(signal.SIGTERM)
        self._running.wait()
        self._hear_out()

    @property
    def ended(self) -> int | None:
        """The master's exit status once it has ended and its output is in the log; None while it runs."""
        status = self._running.poll()
        if status is not None:
            self._hear_out()
        return status

    def _hear_out(self) -> None:
        if self._follower:
            self._follower.join(LAST_WORDS_SECONDS)

    def worker(self) -> int:
        """Returns the process ID of the worker that accepts connections, or 0 if there is none."""
        for line in self._ask("@1 show info").splitlines():
            if line.startswith("Pid: "):
                return int(line[5:])
        return 0

    def _workers(self) -> list[str]:
        """Returns the process IDs of all workers, including old ones that are finishing their requests."""
        found = (line.split() for line in self._ask("show proc").splitlines())
        return [words[0] for words in found if words[1:2] == ["worker"]]

    @property
    def _socket(self) -> str:
        return str(self.config.with_suffix(SOCKET))

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._master is None:
            raise RuntimeError("HAProxy was not started")
        return self._master

    def _keep_state(self, state: str) -> None:
        self.config.with_suffix(STATE).write_text(state, encoding="ascii")

    def _signal(self, number: signal.Signals) -> None:
        self._running.send_signal(number)

    def _wait_for_another(self, before: int) -> None:
        deadline = time.monotonic() + RELOAD_SECONDS
        while time.monotonic() < deadline and self.ended is None:
            if self.worker() not in (0, before):
                return
            time.sleep(0.05)
        raise EdgeError("HAProxy to start", "that it does not answer", "what the lines above say")

    def _ask(self, command: str) -> str:
        """Returns the answer on the master's socket, or "" if there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(self._socket)
                connection.sendall(f"{command}\n".encode())
                connection.shutdown(socket.SHUT_WR)
                with connection.makefile() as answer:
                    return answer.read()
        except OSError:
            return ""
