"""Where a load test reaches the edge: at the container's own address, where nothing of Docker's is in between."""

from deployment import Deployment

EDGE_PORT = 8000


def edge_address(stack: Deployment) -> tuple[str, int]:
    return stack.address_of("edge"), EDGE_PORT


def edge_predictions(stack: Deployment, model: str = "mnist") -> str:
    host, port = edge_address(stack)
    return f"http://{host}:{port}/predictions/{model}"
