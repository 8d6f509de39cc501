"""Each check says what it found, and when it fails what was expected and what to do."""

import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stackcli.access.checks import check_keys, judge_key
from stackcli.build.checks import build_checks
from stackcli.common import console
from stackcli.common.check import Check, show
from stackcli.common.errors import StackError
from stackcli.common.paths import ROOT
from stackcli.machine.checks import check_engine, check_memory, judge_disk
from stackcli.machine.engine import Engine
from stackcli.project.containers import check_checkout
from stackcli.project.ports import check_replicas, is_taken, judge_ports
from stackcli.project.settings import Settings
from stackcli.up.preflight import run_preflight

NO_ENGINE = Engine("", "", "", "", "Cannot connect to the Docker daemon")
STOPPED = Engine("", "2.26.1", "v0.13.1", "/usr/sbin/dockerd", "Cannot connect to the Docker daemon")
REFUSED = Engine("", "2.26.1", "v0.13.1", "/usr/sbin/dockerd", "permission denied while trying to connect")


def test_an_error_says_what_was_expected_what_was_found_and_what_to_try() -> None:
    assert str(StackError("a", "b", "c")) == "expected a, found b; try c"


def test_a_failure_is_printed_on_three_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail(StackError("a", "b [x]", "c"))
    show(Check("engine", "failed", "b", "a", "c"))
    show(Check("memory", "warning", "b", "a", "c"))
    printed = capsys.readouterr()
    assert printed.err == "FAIL: expected a\n      found b [x]\n      try c\n"
    assert printed.out == (
        "  ✗ engine: expected a\n    found b\n    try c\n  ! WARNING: memory: expected a\n    found b\n    try c\n"
    )


def test_without_yes_a_missing_engine_says_exactly_what_to_run() -> None:
    check = check_engine(NO_ENGINE, yes=False)
    assert check.verdict == "failed"
    assert "scripts/stack up --yes`, which installs it" in check.remedy


def test_without_yes_a_stopped_engine_says_exactly_what_to_run() -> None:
    assert "scripts/stack up --yes`, which starts it" in check_engine(STOPPED, yes=False).remedy


def test_a_refused_socket_is_not_taken_for_a_missing_engine() -> None:
    assert "usermod -aG docker" in check_engine(REFUSED, yes=True).remedy


@pytest.mark.parametrize(
    ("replicas", "files", "verdict"),
    [
        (1, "", "ok"),
        (3, "compose.yaml:compose.scale.yaml", "ok"),
        (3, "compose.yaml:compose.prod.yaml", "ok"),
        (3, "compose.yaml", "failed"),
        (3, "", "failed"),
    ],
)
def test_several_torchserves_need_a_file_that_publishes_the_edge_alone(replicas: int, files: str, verdict: str) -> None:
    settings = Settings(torchserve_replicas=replicas, compose_file=files)
    assert check_replicas(settings).verdict == verdict
    if replicas > 1 and verdict == "ok":
        assert list(settings.ports) == ["EDGE_PORT"]


@pytest.mark.parametrize(("free", "images_here", "verdict"), [(20, False, "ok"), (5, False, "failed"), (5, True, "ok")])
def test_disk_is_asked_for_what_is_still_to_be_built(free: float, images_here: bool, verdict: str) -> None:
    assert judge_disk(free, "/var/lib/docker", images_here).verdict == verdict


def test_little_memory_is_a_warning_with_a_remedy() -> None:
    check = check_memory(2.0)
    assert (check.verdict, check.found) == ("warning", "2.0 GiB")
    assert "TORCHSERVE_WORKERS=1" in check.remedy


def test_a_port_in_use_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert is_taken("127.0.0.1", listener.getsockname()[1])


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not is_taken("127.0.0.1", port)


def test_ports_that_this_stack_holds_are_fine() -> None:
    held = {8080: ("torchserve-stack", "torchserve-stack-torchserve-1")}
    check = judge_ports(Settings(), {"INFERENCE_PORT": 8080}, held)
    assert (check.verdict, "held by this stack" in check.found) == ("ok", True)


def test_a_port_that_another_container_holds_names_it() -> None:
    check = judge_ports(Settings(), {"INFERENCE_PORT": 8080}, {8080: ("other", "other-web-1")})
    assert str(check.error()) == (
        "expected free ports, found port 8080 held by container other-web-1; "
        "try `docker stop other-web-1`, or another INFERENCE_PORT in .env"
    )


def test_a_port_that_another_program_holds_names_the_variable() -> None:
    check = judge_ports(Settings(), {"METRICS_PORT": 8082}, {})
    assert "another METRICS_PORT in .env" in check.remedy


PRIVATE = ("STACK_SIGNING_KEY", "PRIVATE KEY")


@pytest.fixture
def private_key(tmp_path: Path) -> Path:
    file = tmp_path / "signing.pem"
    file.write_text("-----BEGIN PRIVATE KEY-----\n")
    file.chmod(0o600)
    return file


def test_a_private_key_that_the_builder_owns_is_fine(private_key: Path) -> None:
    assert judge_key(private_key, *PRIVATE, os.getuid(), os.getgid()) is None


def test_a_private_key_of_another_user_is_refused_with_the_command_that_helps(private_key: Path) -> None:
    builder = os.getuid() + 1000
    check = judge_key(private_key, *PRIVATE, builder, builder)
    assert check is not None
    assert check.verdict == "failed"
    assert f"which user {builder} may not read (mode 600" in check.found
    assert check.remedy == f"`chown {builder} {private_key}`"


def test_a_private_key_that_everybody_may_read_is_a_warning(private_key: Path) -> None:
    private_key.chmod(0o644)
    check = judge_key(private_key, *PRIVATE, os.getuid(), os.getgid())
    assert check is not None
    assert (check.verdict, check.remedy) == ("warning", f"`chmod 600 {private_key}`")


def test_the_private_key_is_not_handed_to_what_serves(private_key: Path) -> None:
    check = check_keys(Settings(stack_verify_key=str(private_key)))
    assert (check.verdict, "PUBLIC KEY in STACK_VERIFY_KEY" in check.expected) == ("failed", True)


def test_a_key_that_is_not_there_is_refused_before_compose_finds_out(tmp_path: Path) -> None:
    check = check_keys(Settings(stack_signing_key=str(tmp_path / "none.pem")))
    assert (check.verdict, "No such file" in check.found) == ("failed", True)


def test_without_keys_the_checks_say_that_nothing_is_signed() -> None:
    check = check_keys(Settings())
    assert (check.verdict, check.found) == ("ok", "not made, not verified")


def test_a_build_needs_no_port_and_a_start_does() -> None:
    built, started = (checks(None, Settings(), "auto", yes=False) for checks in (build_checks, run_preflight))
    assert "ports" not in {check.name for check in built}
    assert "ports" in {check.name for check in started}


def engine_with_a_container_of(checkout: Path) -> Any:
    """Makes the part of a Docker client that is used."""
    labels = {"com.docker.compose.project.working_dir": str(checkout)}
    return SimpleNamespace(containers=SimpleNamespace(list=lambda **_: [SimpleNamespace(labels=labels)]))


def test_a_project_that_another_checkout_runs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    (check,) = check_checkout(engine_with_a_container_of(tmp_path), Settings())
    assert (check.verdict, check.found) == ("failed", f"torchserve-stack in use by {tmp_path}")
    assert "another COMPOSE_PROJECT_NAME" in check.remedy


def test_a_project_of_this_checkout_or_of_one_that_is_gone_is_ours(tmp_path: Path) -> None:
    assert check_checkout(engine_with_a_container_of(ROOT), Settings()) == []
    assert check_checkout(engine_with_a_container_of(tmp_path / "gone"), Settings()) == []
