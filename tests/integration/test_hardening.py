"""Every container of the stack runs with least privilege; what docker inspect promises also holds inside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployment import Deployment
from fresh import FreshDeployments

SERVICES = ("builder", "torchserve", "load")


@pytest.fixture(scope="module")
def created_stack(fresh_deployment: FreshDeployments, fresh_store: Callable[..., Path]) -> Deployment:
    """Containers of every service, created and never started: docker inspect needs no more."""
    stack = fresh_deployment(model_store=fresh_store("mnist"))
    stack.compose("--profile", "bench", "build", "load")  # the others' images are here, or nothing would run
    stack.compose("--profile", "bench", "create", "--no-build")
    found = {container.labels["com.docker.compose.service"] for container in stack.containers()}
    assert found >= set(SERVICES), f"expected containers of {SERVICES}, found {found}"
    return stack


@pytest.fixture(params=SERVICES)
def inspected(request: pytest.FixtureRequest, created_stack: Deployment) -> dict[str, Any]:
    """Docker inspect of one service's container."""
    attributes: dict[str, Any] = created_stack.container(request.param).attrs
    return attributes


def test_runs_as_a_user_that_is_not_root(inspected: dict[str, Any]) -> None:
    assert inspected["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_cannot_gain_privileges(inspected: dict[str, Any]) -> None:
    host = inspected["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert not host["Privileged"]
    assert any(option.startswith("no-new-privileges") and "false" not in option for option in host["SecurityOpt"])


def test_root_filesystem_is_read_only(inspected: dict[str, Any]) -> None:
    assert inspected["HostConfig"]["ReadonlyRootfs"]


def test_memory_and_processes_are_limited(inspected: dict[str, Any]) -> None:
    assert inspected["HostConfig"]["Memory"] > 0
    assert 0 < (inspected["HostConfig"]["PidsLimit"] or 0) <= 4096


def test_log_files_are_rotated(inspected: dict[str, Any]) -> None:
    options = inspected["HostConfig"]["LogConfig"]["Config"]
    assert {"max-size", "max-file"} <= options.keys(), f"no rotation in {options}"


def test_ports_are_published_on_loopback_only(inspected: dict[str, Any]) -> None:
    bindings = [binding for bound in inspected["HostConfig"]["PortBindings"].values() for binding in bound]
    assert all(binding["HostIp"] == "127.0.0.1" for binding in bindings), f"found {bindings}"


def test_the_docker_socket_and_the_hosts_namespaces_stay_outside(inspected: dict[str, Any]) -> None:
    assert not [mount for mount in inspected["Mounts"] if "docker.sock" in mount.get("Source", "")]
    host = inspected["HostConfig"]
    assert "host" not in (host["NetworkMode"], host["PidMode"], host["IpcMode"], host["UTSMode"])


def test_the_server_reads_the_model_store_and_cannot_write_it(running_stack: Deployment) -> None:
    mounts = {mount["Destination"]: mount for mount in running_stack.container().attrs["Mounts"]}
    assert mounts["/home/model-server/model-store"]["RW"] is False


def test_the_running_server_has_no_root_no_capabilities_and_no_writable_root(running_stack: Deployment) -> None:
    inside = running_stack.execute("cat", "/proc/1/status")
    fields = dict(line.split(":", 1) for line in inside.splitlines() if ":" in line)
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"].strip() == "1"
    refused = running_stack.container().exec_run(["touch", "/home/model-server/written"])
    assert refused.exit_code != 0
    assert b"Read-only" in refused.output


def test_the_running_stack_is_inspected_as_hardened_as_the_created_one(
    running_stack: Deployment, created_stack: Deployment
) -> None:
    """The user's containers come from the same compose file: no drift between what is checked and what runs."""
    keys = ("CapDrop", "SecurityOpt", "ReadonlyRootfs", "PidsLimit", "LogConfig")
    running, created = running_stack.container().attrs, created_stack.container().attrs
    assert {key: running["HostConfig"][key] for key in keys} == {key: created["HostConfig"][key] for key in keys}
    assert running["Config"]["User"] == created["Config"]["User"]
