"""The command line: `run` generates load and prints a JSON object, `report` turns many such objects into a page."""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from contract.failure import failure_line
from load.errors import LoadError
from load.loops import ClosedLoop, Loop, OpenLoop
from load.target import Target

MAX_CONNECTIONS = 1000
FULL_CORE = 0.9  # share of one core
LAG_SHARE = 0.1  # of the 99th percentile


def run_load(
    target: Target,
    *,
    connections: int | None = None,
    rate: float | None = None,
    seconds: float,
    warmup: float = 0,
    timeout: float = 30,
    max_connections: int = MAX_CONNECTIONS,
    notify: Callable[[str], None] = lambda mark: None,
) -> dict[str, Any]:
    """Runs a closed loop with `connections`, or an open loop with `rate` (requests/s). Returns what `run` prints."""
    common = (target, warmup, seconds, timeout, notify)
    loop: Loop
    if rate is not None:
        loop = OpenLoop(*common, rate=rate, max_connections=max_connections)
    else:
        loop = ClosedLoop(*common, connections=connections or 1)
    gc.collect()
    gc.disable()  # its pauses would count as the server's; a run creates few reference cycles
    try:
        recorder = uvloop.run(loop.run())
    finally:
        gc.enable()
    summary = recorder.summary()
    others = {} if target.expected is None else {"others": dict(recorder.others.most_common())}
    return {
        "mode": loop.mode,
        "connections": connections if rate is None else loop.peak,
        "offered_rate": None if rate is None else summary["requests"] / seconds,
        "seconds": seconds,
        "warmup": warmup,
        **summary,
        "generator_cpu": round(loop.generator_cpu, 4),
        "generator_limited": is_generator_limited(loop.generator_cpu, summary),
        **others,
    }


def is_generator_limited(cpu: float, summary: dict[str, Any]) -> bool:
    """Whether the generator limited the results: its core was full, or its lag is a large part of the latency."""
    latency, lag = summary["latency_ms"], summary["lag_ms"]
    return cpu > FULL_CORE or bool(latency and lag and lag["p99"] > LAG_SHARE * latency["p99"])


def parse_header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"expected 'NAME: VALUE', found {text!r}")
    return name.strip(), value.strip()


def positive(text: str) -> float:
    if (number := float(text)) <= 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return number


def count(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return number


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="generate load and print one JSON object")
    run.add_argument("--url", required=True)
    run.add_argument("--body", required=True, type=Path, help="file to send with POST")
    run.add_argument("--header", action="append", default=[], type=parse_header, metavar="'NAME: VALUE'")
    run.add_argument("--expect", metavar="TEXT", help="the expected answer; any other 2xx counts as the error `wrong`")
    mode = run.add_mutually_exclusive_group(required=True)
    mode.add_argument("--connections", type=count, help="closed loop: number of requests in flight")
    mode.add_argument("--rate", type=positive, help="open loop: number of requests per second")
    run.add_argument("--seconds", type=positive, default=15, help="seconds to measure")
    run.add_argument("--warmup", type=float, default=2, help="seconds of load before measuring")
    run.add_argument("--timeout", type=positive, default=30, help="seconds to wait for the answer to a request")
    run.add_argument("--max-connections", type=count, default=MAX_CONNECTIONS, help="maximum of the open loop")
    report = commands.add_parser("report", help="turn a results.json into a self-contained HTML page")
    report.add_argument("results", type=Path, help="- for standard input")
    report.add_argument("page", type=Path, help="- for standard output")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    if not options.body.is_file():
        raise LoadError("a file to send", str(options.body), "the path of an image")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # one file per connection
    expected = None if options.expect is None else options.expect.encode()
    result = run_load(
        Target.post(options.url, options.body.read_bytes(), dict(options.header), expected),
        connections=options.connections,
        rate=options.rate,
        seconds=options.seconds,
        warmup=options.warmup,
        timeout=options.timeout,
        max_connections=options.max_connections,
        notify=lambda mark: print(mark, file=sys.stderr, flush=True),
    )
    print(json.dumps(result))


def report(options: argparse.Namespace) -> None:
    from load.report import render  # matplotlib takes a second to load, and `run` does not need it

    text = sys.stdin.read() if str(options.results) == "-" else options.results.read_text(encoding="utf-8")
    page = render(json.loads(text))
    if str(options.page) == "-":
        sys.stdout.write(page)
    else:
        options.page.write_text(page, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        {"run": run, "report": report}[options.command](options)
    except LoadError as error:
        print(failure_line(error), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
