"""`scripts/stack logs`: merges the logs of all edge and torchserve containers, in time order."""

from __future__ import annotations

import heapq
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated

import docker
import typer
from docker.models.containers import Container
from rich.text import Text

from stackcli.common import console
from stackcli.common.errors import ConfigError, ServeError
from stackcli.project.containers import SERVING, find_containers
from stackcli.project.current import running_project
from stackcli.project.log_lines import LEVELS, LogLine

SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# Each container's lines arrive over its own connection: how long to hold a line for older ones of the others.
SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Wanted:
    """A filter: lines about `model`, about the request `request_id`, newer than `since` (such as 10m); "" for any."""

    model: str = ""
    request_id: str = ""
    since: str = ""

    def takes(self, line: LogLine) -> bool:
        return (not self.model or line.is_about(self.model)) and (not self.request_id or line.concerns(self.request_id))


def logs(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Default: all models.")] = "",
    request: Annotated[
        str, typer.Option("--request", metavar="ID", help="Show only the lines of the request with this X-Request-Id.")
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show new lines as they come, until Ctrl-C.")] = False,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Show only lines newer than TIME: 90s, 10m, 2h.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show the logs of the edge and TorchServe in time order."""
    wanted = Wanted(model, request, since)
    client, project = running_project()
    show_logs(client, project.settings.compose_project_name, wanted, follow, as_json)


def show_logs(client: docker.DockerClient, project_name: str, wanted: Wanted, follow: bool, as_json: bool) -> None:
    """Prints the wanted lines; with `follow` until Ctrl-C. Raises ServeError if there is no container."""
    containers = serving_containers(client, project_name)
    since = None if not wanted.since else time.time() - seconds_of(wanted.since)
    try:
        lines = (
            followed(containers, since)
            if follow
            else heapq.merge(
                *(read(service, container, since) for service, container in containers.items()),
                key=lambda line: line.time,
            )
        )
        for line in lines:
            if wanted.takes(line):
                print_line(line, as_json)
    except KeyboardInterrupt:
        return


def serving_containers(client: docker.DockerClient, project_name: str) -> dict[str, Container]:
    """Returns the containers by service name, with a number if a service has several. Raises ServeError."""
    found = {}
    for service in SERVING:
        containers = find_containers(client, project_name, service)
        for container in containers:
            number = container.labels["com.docker.compose.container-number"]
            found[service if len(containers) == 1 else f"{service}-{number}"] = container
    if not found:
        raise ServeError("containers of edge and torchserve", "none", "`scripts/stack up`")
    return found


def seconds_of(since: str) -> float:
    """Converts a duration such as 90s, 10m or 2h. Raises ConfigError."""
    match = re.fullmatch(r"(\d+)([smhd])", since)
    if match is None:
        raise ConfigError("--since as a number with s, m, h or d", repr(since), "--since 10m")
    return int(match[1]) * SECONDS_OF_UNIT[match[2]]


def read(service: str, container: Container, since: float | None) -> Iterator[LogLine]:
    """Yields the container's log lines up to now."""
    printed = container.logs(timestamps=True, since=since).decode(errors="replace")
    return (LogLine.parse(service, line) for line in printed.splitlines())


def followed(containers: dict[str, Container], since: float | None) -> Iterator[LogLine]:
    """Yields the containers' lines since `since` (None: from now on), in time order; ends when all have ended."""
    arrived: queue.Queue[LogLine | None] = queue.Queue()
    for service, container in containers.items():
        arguments = (service, container, since or time.time(), arrived)
        threading.Thread(target=_follow, args=arguments, daemon=True).start()
    running = len(containers)
    waiting: list[tuple[datetime, int, LogLine]] = []
    number = 0
    while running or waiting:
        try:
            line = arrived.get(timeout=SETTLE_SECONDS / 3)
            if line is None:
                running -= 1
            else:
                number += 1
                heapq.heappush(waiting, (line.time, number, line))
        except queue.Empty:
            pass
        settled = datetime.fromtimestamp(time.time() - SETTLE_SECONDS, timezone.utc)
        while waiting and (waiting[0][0] < settled or not running):
            yield heapq.heappop(waiting)[-1]


def _follow(service: str, container: Container, since: float, arrived: queue.Queue[LogLine | None]) -> None:
    try:
        for line in whole_lines(container.logs(stream=True, follow=True, timestamps=True, since=since)):
            arrived.put(LogLine.parse(service, line))
    finally:
        arrived.put(None)


def whole_lines(parts: Iterable[bytes]) -> Iterator[str]:
    """Joins what the Engine sends, which may cut lines anywhere, to whole lines."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        yield from (line.decode(errors="replace") for line in lines)


def print_line(line: LogLine, as_json: bool) -> None:
    """Prints a line; with `as_json` the container's own JSON object with the service and the time added."""
    if as_json:
        said = {"message": line.text} if line.said is None else line.said
        console.out.print_json(data={"service": line.service, "time": line.time.isoformat(), **said}, indent=None)
        return
    console.out.print(shown(line))


def shown(line: LogLine) -> Text:
    """Formats a line: time, service, level or status, model and version, request id, message."""
    said = line.said
    text = Text(f"{line.time.astimezone():%H:%M:%S.%f}"[:-3], style="dim")
    text.append(f"  {line.service:<10}", style="cyan")
    if said is None:
        return text.append(f"  {line.text}")
    level = str(said["status"] if line.is_access else said.get("level", ""))
    text.append(f"  {level:<5}", style=style_of(line))
    if line.model:
        text.append(f"  {line.model} {line.version}".rstrip(), style="bold")
    if said.get("request_id"):
        text.append(f"  {said['request_id']}", style="magenta")
    if line.is_access:
        return text.append(f"  {said.get('method', '')} {said.get('path', '')}, {said.get('ms', '?')} ms")
    return text.append(f"  {line.message or line.text}")


def style_of(line: LogLine) -> str:
    said = line.said or {}
    if line.is_access:
        return "red" if int(said["status"]) >= 500 else "yellow" if int(said["status"]) >= 400 else "green"
    return LEVELS.get(str(said.get("level")), "dim")
