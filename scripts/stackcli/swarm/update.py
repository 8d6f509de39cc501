"""Updates a service of a Swarm, and waits until the update has completed or was rolled back."""

from __future__ import annotations

import time
from collections.abc import Sequence

from stackcli.common import console
from stackcli.common.errors import EngineError, ServeError
from stackcli.project.log_lines import readable
from stackcli.swarm.manager import Manager
from stackcli.swarm.state import ROLLED_BACK, UPDATED, Service, Swarm, Task, shown_image

# Images of gigabytes are pulled machine by machine.
COMPLETE_SECONDS = 3600
# A Swarm takes a moment to begin an update; until then the service still looks complete.
STEADY_LOOKS = 3
LOOK_SECONDS, LOG_LINES, LOG_SECONDS, MAX_FAILURES = 1.0, 20, 10, 5


def update(swarm: Swarm, name: str, image: str) -> bool:
    """Updates the image; tells whether it was a different one. Raises ServeError if the Swarm rolls back."""
    before = swarm.service(name)
    if before.image == image:
        console.done(f"{name}: nothing to update")
        return False
    command = ["service", "update", "--detach", "--quiet", "--with-registry-auth", "--no-resolve-image"]
    swarm.manager.do(*command, f"--image={image}", f"{swarm.stack}_{name}")
    after = wait_until_settled(swarm, name, before.update_began)
    if after.update not in UPDATED:
        raise rolled_back(swarm, after, image)
    console.done(f"{name}: {after.running} of {after.wanted} run {shown_image(image)}")
    return True


def wait_until_settled(swarm: Swarm, name: str, began: str) -> Service:
    """Waits for an update newer than `began` to finish; returns the service whatever the outcome."""
    deadline = time.monotonic() + COMPLETE_SECONDS
    with console.waiting(name) as wait:
        while time.monotonic() < deadline:
            service = swarm.service(name)
            if service.update_began != began and service.update in (*UPDATED, *ROLLED_BACK):
                return service
            which = "the earlier image again" if service.update == "rollback_started" else "the new image"
            wait.update(f"{service.running} of {service.wanted} run {which}")
            time.sleep(LOOK_SECONDS)
    found, remedy = "that it has not", "`scripts/stack swarm status`"
    raise ServeError(f"the update of {name} to end within {COMPLETE_SECONDS} s", found, remedy)


def rolled_back(swarm: Swarm, service: Service, image: str) -> ServeError:
    """Prints the last log lines of the failed tasks; returns the failure with their error."""
    failed = [task for task in service.failures if task.image == image]
    for text in last_words(swarm.manager, failed):
        console.say(text)
    reason = failed[0].error if failed else service.update_message
    found = f"{service.update.replace('_', ' ')} ({reason}); the earlier image serves"
    return ServeError(f"{service.name} to run {shown_image(image)}", found, "the lines above")


def last_words(manager: Manager, tasks: Sequence[Task]) -> list[str]:
    """Returns the last log lines of the first task that has any; [] if no machine kept them."""
    for task in tasks[:MAX_FAILURES]:
        try:
            ended = manager.capture("service", "logs", "--raw", f"--tail={LOG_LINES}", task.id, seconds=LOG_SECONDS)
        except EngineError:  # docker waits forever for a machine that is gone
            continue
        if ended.returncode == 0 and (ended.stdout or ended.stderr).strip():
            return readable(ended.stdout + ended.stderr).splitlines()
    return []


def wait_until_complete(swarm: Swarm, name: str, began: str) -> None:
    """Waits until all tasks run. Raises ServeError if an update newer than `began` was rolled back, or on timeout."""
    deadline, looks = time.monotonic() + COMPLETE_SECONDS, 0
    with console.waiting(name) as wait:
        while time.monotonic() < deadline:
            service = swarm.service(name)
            looks = looks + 1 if service.is_complete else 0
            if service.update in ROLLED_BACK and service.update_began != began:
                raise rolled_back(swarm, service, service.image)
            if looks == STEADY_LOOKS:
                console.done(f"{name}: {service.running} of {service.wanted} run")
                return
            problem = f" ({service.failures[0].error})" if service.failures else ""
            wait.update(f"{service.running} of {service.wanted} run{problem}")
            time.sleep(LOOK_SECONDS)
    found, remedy = "tasks that do not run", "`scripts/stack swarm status`"
    raise ServeError(f"all tasks of {name} to run within {COMPLETE_SECONDS} s", found, remedy)
