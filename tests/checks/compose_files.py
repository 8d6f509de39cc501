"""Lists the combinations in which the compose files are used, and asks Compose for the result of one."""

import os
import subprocess

import pytest

from stackcli.common.paths import ROOT

# The files for `docker stack deploy`.
SWARM = (
    "compose.swarm.yaml",
    "compose.swarm.closed.yaml",
    "compose.swarm.signed.yaml",
    "compose.swarm.observability.yaml",
)
# Every compose file, as it is used.
LAYERS = [
    ("compose.yaml",),
    ("compose.yaml", "compose.gpu.yaml"),
    ("compose.yaml", "compose.prod.yaml"),
    ("compose.yaml", "compose.scale.yaml"),
    ("compose.yaml", "compose.dev.yaml"),
    SWARM,
    ("compose.yaml", "benchmarks/metrics_cost/compose.yaml"),
    ("compose.yaml", "tests/integration/support/compose.fresh.yaml"),
    ("compose.yaml", "tests/integration/support/compose.config.yaml"),
    ("compose.yaml", "tests/integration/support/compose.quick.yaml"),
]


def render(files: tuple[str, ...]) -> str:
    """Returns the files as Compose merges them, with every profile and every variable's default."""
    options = [f"--file={file}" for file in files]
    command = ["docker", "compose", "--project-directory=.", "--env-file=/dev/null", "--profile=*", *options, "config"]
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "DOCKER_HOST")}
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, "TEST_CACHE_VOLUME": "any", "TEST_CONFIG": "/any"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        pytest.fail(f"{' + '.join(files)}\n{ended.stderr}", pytrace=False)
    return ended.stdout
