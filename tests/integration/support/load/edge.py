"""Where a load test reaches the edge: at the container's own address, where nothing of Docker's is in between.

And of how many TorchServes an edge says that they are ready.
"""

from integration.support.stack import Deployment

EDGE_PORT = 8000
_ASK = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/edge/admin.sock');"
ASK_SERVERS = ("python3", "-c", f"{_ASK} s.sendall(b'show servers state torchserve\\n'); print(s.makefile().read())")


def edge_address(stack: Deployment) -> tuple[str, int]:
    return stack.address_of("edge"), EDGE_PORT


def edge_predictions(stack: Deployment, model: str = "mnist") -> str:
    host, port = edge_address(stack)
    return f"http://{host}:{port}/predictions/{model}"


def count_ready(servers: str) -> int:
    """Counts the servers in state 2, running, in HAProxy's answer (management.txt, "show servers state")."""
    rows = [line.split() for line in servers.splitlines() if line[:1].isdigit() and " torchserve " in line]
    return sum(row[3] != "unavailable" and row[5] == "2" for row in rows)
