"""Healthy means READY, and a stop lets slow requests finish. test_processes.py kills processes under load."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from integration.support.fresh import Workshop
from integration.support.polling import wait_until
from integration.support.stack import STOPPED_DEADLINE_S, Deployment

SLOW_REQUESTS = 3
STOPPED = 143


def test_health_is_not_green_before_every_worker_is_ready(
    workshop: Workshop,
) -> None:
    """Docker's health and the management API were read together from the container's start on."""
    early = [seen for seen in workshop.start if seen.health == "healthy" and seen.unready]
    assert not early, f"green too early: {early}"
    assert workshop.start[0].health == "starting", f"the start was not seen: {workshop.start[0]}"
    assert (workshop.start[-1].health, workshop.start[-1].unready) == ("healthy", [])


def test_a_stop_lets_the_requests_in_flight_finish(workshop_stack: Deployment, seven: Path) -> None:
    """The slow model has one worker and takes one request at a time: one is running, the others are queued."""
    workshop_stack.wait_until_healthy()
    accepted_before = workshop_stack.logs().count("slow: working")
    with ThreadPoolExecutor(SLOW_REQUESTS) as clients:
        answers = [clients.submit(workshop_stack.predict, "slow", seven.read_bytes()) for _ in range(SLOW_REQUESTS)]
        wait_until(
            "the slow model works on a request",
            lambda: workshop_stack.logs().count("slow: working") > accepted_before,
            30,
        )
        assert not any(answer.done() for answer in answers), "too quick: nothing is in flight"
        workshop_stack.compose("stop", limit_s=STOPPED_DEADLINE_S)
        statuses = [answer.result().status_code for answer in answers]
    state = workshop_stack.state()
    workshop_stack.start()
    workshop_stack.wait_until_healthy()
    assert not state["Running"]
    assert not state["OOMKilled"]
    assert state["ExitCode"] == STOPPED, f"expected a clean end, found exit code {state['ExitCode']} (137: killed)"
    assert statuses == [200] * SLOW_REQUESTS
