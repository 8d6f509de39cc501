"""A child process that this process started before it replaced itself, with the methods of `subprocess.Popen`."""

import os
import signal
import time
from typing import Optional


class AdoptedProcess:
    """The Java process after the entrypoint has replaced itself (`exec` keeps the process and its children)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: Optional[int] = None

    def poll(self) -> Optional[int]:
        """Returns the exit status (negative for a signal), or None while the process runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def terminate(self) -> None:
        """Asks the process to stop."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kills the process."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: Optional[float] = None) -> int:
        """Waits for the process to end; returns its exit status. Raises TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} is still running")
            time.sleep(0.05)
        assert self.returncode is not None
        return self.returncode
