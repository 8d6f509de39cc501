"""Where a load test reaches the edge: at the container's own address, where nothing of Docker's is in between."""

from deployment import Deployment

EDGE_PORT = 8000


def edge_address(stack: Deployment) -> tuple[str, int]:
    networks = stack.container("edge").attrs["NetworkSettings"]["Networks"].values()
    addresses = [network["IPAddress"] for network in networks if network["IPAddress"]]
    assert addresses, f"{stack.project}/edge has no address: {stack.state('edge')['Status']}"
    return addresses[0], EDGE_PORT


def edge_predictions(stack: Deployment, model: str = "mnist") -> str:
    host, port = edge_address(stack)
    return f"http://{host}:{port}/predictions/{model}"
