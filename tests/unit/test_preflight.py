"""Each check says what it found, and when it fails what was expected and what to do."""

import socket

import pytest

from stackcli.engine import Engine
from stackcli.errors import StackError
from stackcli.preflight import check_engine, check_memory, is_taken, judge_disk, judge_ports
from stackcli.settings import Settings

NO_ENGINE = Engine("", "", "", "", "Cannot connect to the Docker daemon")
STOPPED = Engine("", "2.26.1", "v0.13.1", "/usr/sbin/dockerd", "Cannot connect to the Docker daemon")
REFUSED = Engine("", "2.26.1", "v0.13.1", "/usr/sbin/dockerd", "permission denied while trying to connect")


def test_an_error_says_what_was_expected_what_was_found_and_what_to_try() -> None:
    assert str(StackError("a", "b", "c")) == "FAIL: expected a, found b; try c"


def test_without_yes_a_missing_engine_says_exactly_what_to_run() -> None:
    check = check_engine(NO_ENGINE, yes=False)
    assert check.verdict == "failed"
    assert "scripts/stack up --yes`, which installs it" in check.remedy


def test_without_yes_a_stopped_engine_says_exactly_what_to_run() -> None:
    assert "scripts/stack up --yes`, which starts it" in check_engine(STOPPED, yes=False).remedy


def test_a_refused_socket_is_not_taken_for_a_missing_engine() -> None:
    assert "usermod -aG docker" in check_engine(REFUSED, yes=True).remedy


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
        "FAIL: expected free ports, found port 8080 held by container other-web-1; "
        "try `docker stop other-web-1`, or another INFERENCE_PORT in .env"
    )


def test_a_port_that_another_program_holds_names_the_variable() -> None:
    check = judge_ports(Settings(), {"METRICS_PORT": 8082}, {})
    assert "another METRICS_PORT in .env" in check.remedy
