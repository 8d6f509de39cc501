"""The objects of the CIS checks: a service's container, its image, its Dockerfile and its file system."""

from pathlib import Path

from integration.support.cis import LOOK_INSIDE, Subject
from integration.support.commands import run_in_image
from integration.support.stack import Deployment, docker_engine
from integration.support.users import PROJECT_ROOT

DOCKERFILES = {
    "builder": "docker/builder/Dockerfile",
    "torchserve": "docker/torchserve/Dockerfile",
    "edge": "docker/edge/Dockerfile",
    "load": "docker/load/Dockerfile",
    "prometheus": "docker/prometheus/Dockerfile",
    "alertmanager": "docker/prometheus/Dockerfile",
    "node-exporter": "docker/prometheus/Dockerfile",
}


def subject_of(stack: Deployment, service: str) -> Subject:
    container = stack.container(service)
    image = docker_engine.images.get(container.attrs["Image"])
    secrets = [file.read_text() for file in (PROJECT_ROOT / ".stack/secrets").rglob("*") if file.is_file()]
    return Subject(
        service=service,
        container=container.attrs,
        image=image.attrs,
        history="\n".join(layer["CreatedBy"] for layer in image.history()),
        dockerfile=(PROJECT_ROOT / DOCKERFILES[service]).read_text(),
        found=run_in_image(image_of(service), ["sh", "-c", LOOK_INSIDE], {}).split(),
        withheld=[line for text in secrets for line in text.splitlines() if "://" in line or len(line) > 40],
    )


def image_of(service: str) -> str:
    """Returns the name of a service's image, after the folder of its Dockerfile."""
    return Path(DOCKERFILES[service]).parent.name
