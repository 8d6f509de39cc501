"""What dies comes back by itself, green means READY, and a stop loses no request that was accepted."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployment import STOPPED_DEADLINE_S, Deployment
from fresh import Workshop
from polling import wait_until

COMES_BACK_DEADLINE_S = 120
SLOW_REQUESTS = 3
STOPPED = 143
JAVA_PID = (
    "import pathlib;"
    "print(*(p.parent.name for p in pathlib.Path('/proc').glob('[0-9]*/comm') if p.read_text() == 'java\\n'))"
)
KILL = "import os, sys; os.kill(int(sys.argv[1]), 9)"


def java_pids(stack: Deployment) -> list[str]:
    return stack.execute("python", "-c", JAVA_PID).split()


def answers_seven(stack: Deployment, seven: Path) -> bool:
    answer = stack.predict("mnist/1.0", seven.read_bytes())
    return (answer.status_code, answer.text) == (200, "7")


def test_health_is_not_green_before_every_worker_is_ready(
    workshop: Workshop,
) -> None:
    """Docker's health and the management API were read together from the container's start on."""
    early = [seen for seen in workshop.start if seen.health == "healthy" and seen.unready]
    assert not early, f"green too early: {early}"
    assert workshop.start[0].health == "starting", f"the start was not seen: {workshop.start[0]}"
    assert (workshop.start[-1].health, workshop.start[-1].unready) == ("healthy", [])


def test_a_killed_worker_comes_back_by_itself(workshop_stack: Deployment, seven: Path) -> None:
    assert answers_seven(workshop_stack, seven)
    victim = workshop_stack.workers("mnist", "1.0")[0]["pid"]
    workshop_stack.execute("python", "-c", KILL, str(victim))

    def replaced() -> bool:
        workers = workshop_stack.workers("mnist", "1.0")
        states = {worker["status"] for worker in workers}
        return victim not in [worker["pid"] for worker in workers] and states == {"READY"}

    wait_until("another process is mnist 1.0's READY worker", replaced, COMES_BACK_DEADLINE_S)
    assert answers_seven(workshop_stack, seven)
    assert workshop_stack.container().attrs["RestartCount"] == 0, "the container restarted for one worker"


def test_a_killed_jvm_is_started_again_in_place(workshop_stack: Deployment, seven: Path) -> None:
    assert answers_seven(workshop_stack, seven)
    (victim,) = java_pids(workshop_stack)
    before = workshop_stack.state()["StartedAt"]
    workshop_stack.execute("python", "-c", KILL, victim)
    wait_until(
        "another process is the JVM",
        lambda: [pid for pid in java_pids(workshop_stack) if pid != victim],
        COMES_BACK_DEADLINE_S,
    )
    wait_until("mnist answers again", lambda: answers_seven(workshop_stack, seven), COMES_BACK_DEADLINE_S)
    workshop_stack.wait_until_healthy()
    assert workshop_stack.state()["StartedAt"] == before, "the container restarted for its JVM"


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
