"""Finds and kills the processes of a torchserve container from inside it."""

from integration.support.stack import Deployment

JAVA_PID = (
    "import pathlib;"
    "print(*(p.parent.name for p in pathlib.Path('/proc').glob('[0-9]*/comm') if p.read_text() == 'java\\n'))"
)
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


def java_pids(stack: Deployment) -> list[str]:
    return stack.execute("python", "-c", JAVA_PID).split()


def kill(stack: Deployment, pid: int | str) -> None:
    stack.execute("python", "-c", KILL, str(pid))
