"""The main process, `python3 -m supervisor`: starts HAProxy, reloads it when its sources change, drains and stops."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from contract.failure import Failure
from contract.keys import KEYS
from contract.manifest import MANIFEST
from contract.releases import RELEASES
from supervisor.certificate import CERTIFICATE, PRIVATE_KEY, expiry_problem
from supervisor.haproxy import HAProxy
from supervisor.loaded import ANSWER_SECONDS, LoadedVersions, Versions, read_report
from supervisor.log import log
from supervisor.refused import start_reading
from supervisor.render import CONFIG, DATA, KEYS_MAP, PAGE_CONFIG, SERVED, render, write
from supervisor.series import Series
from supervisor.server import start_server
from supervisor.settings import Settings, read_settings
from supervisor.torchserves import ask_each

LOOK_SECONDS = 0.5
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
# `scripts/stack dev` sends this after a change of the page or a template, to have everything read again.
_CHANGED = signal.SIGHUP


@dataclass(frozen=True)
class Seen:
    """What the supervisor watches: the digest of the files, and the versions that TorchServe has loaded."""

    files: str
    versions: Versions | None


NOTHING = Seen("", None)


def main() -> int:
    """Runs until a stop signal (returns 143) or until HAProxy ends (returns 1), when the restart policy takes over."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP_SIGNALS, _CHANGED, signal.SIGCHLD})
    try:
        return serve(read_settings(os.environ))
    except Failure as failure:
        log(f"FAIL: {failure}")
        return 1


def serve(settings: Settings) -> int:
    """Configures, starts and watches HAProxy. Returns the container's exit status."""
    page, edge = HAProxy(settings.run / PAGE_CONFIG, "page"), HAProxy(settings.run / CONFIG)
    series = Series(settings)
    torchserves = LoadedVersions(lambda: ask_each(settings.torchserve, settings.max_replicas, read_report).values())
    torchserves.start()
    seen, _ = look(settings, torchserves, NOTHING)
    apply(settings, edge, seen.versions)
    start_server(settings, series)
    start_reading(settings.run, settings.request_seconds)
    if settings.is_traced:
        from supervisor.traces import start_spans  # imported only where it is needed

        start_spans(settings.run)
    # Start the page's HAProxy first: the edge forwards requests to it.
    page.start()
    edge.start()
    announce(settings)
    while edge.ended is None and page.ended is None:
        received = signal.sigtimedwait({*_STOP_SIGNALS, _CHANGED}, LOOK_SECONDS)
        if received and received.si_signo in _STOP_SIGNALS:
            log("stopping: accepting no new connections, finishing the requests in flight")
            edge.stop(settings.drain_seconds + 2)
            page.stop(0)
            return 128 + signal.SIGTERM
        seen, has_changed = look(settings, torchserves, seen)
        if has_changed or received:
            series.reloaded(follow(settings, page, edge, seen.versions))
    status = edge.ended or page.ended
    log(f"FAIL: expected HAProxy to keep running, found exit status {status}; try what the lines above say")
    return 1


def look(settings: Settings, torchserves: LoadedVersions, before: Seen) -> tuple[Seen, bool]:
    """Returns what the supervisor sees now, and whether a change since `before` requires a reload."""
    files = digest_of(settings)
    are_new = files != before.files
    if are_new:
        # A changed file may route to a version that TorchServe has only just loaded.
        torchserves.look_now(ANSWER_SECONDS)
    now = Seen(files, torchserves.versions)
    return now, are_new or (now.versions != before.versions and not is_in_force(settings, now.versions))


def is_in_force(settings: Settings, loaded: Versions | None) -> bool:
    """Whether rendering would not change HAProxy's files, or would fail."""
    try:
        rendered = render(settings, loaded)
    except Failure:
        return True
    return all((settings.run / name).read_text(encoding="utf-8") == text for name, text in rendered.files.items())


def follow(settings: Settings, page: HAProxy, edge: HAProxy, loaded: Versions | None) -> str:
    """Applies a change and returns "ok", or returns "refused" and keeps what is in force if the change is unusable."""
    known = accepted_keys(settings)
    try:
        apply(settings, edge, loaded)
        edge.forget(KEYS_MAP, known - accepted_keys(settings))
        page.reload()
        edge.reload()
        announce(settings)
    except Failure as failure:
        log(f"FAIL: {failure}; the previous configuration stays in force")
        return "refused"
    return "ok"


def apply(settings: Settings, haproxy: HAProxy, loaded: Versions | None = None) -> None:
    """Writes HAProxy's files once HAProxy has accepted a trial copy; `loaded`: see read_models. Raises Failure."""
    trial = settings.run / "trial"
    trial.mkdir(exist_ok=True)
    rendered = render(settings, loaded)
    for problem in rendered.problems:
        log(f"WARNING: {problem}")
    write(rendered, trial)
    for name in (PAGE_CONFIG, CONFIG):
        haproxy.check(trial / name)
    write(rendered, settings.run)


def accepted_keys(settings: Settings) -> set[str]:
    """Returns the map's lines (hash, scope, name), so that a key with a changed scope counts as another one."""
    path = settings.run / KEYS_MAP
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()


def announce(settings: Settings) -> None:
    """Logs what is in force, and saves it for the metrics."""
    data = (settings.run / DATA).read_text(encoding="utf-8")
    (settings.run / f"{SERVED}.partial").write_text(data, encoding="utf-8")
    (settings.run / f"{SERVED}.partial").replace(settings.run / SERVED)
    for model in json.loads(data)["models"]:
        canary = model["canary"]
        share = f", {canary['weight']} % to {canary['version']}" if canary else ""
        log(f"routing {model['name']} to {model['stable']}{share}")
    if settings.tls and (problem := expiry_problem(settings.secrets)):
        log(f"WARNING: {problem}; try `scripts/stack certs --force`")
    if settings.keys and not accepted_keys(settings):
        log("WARNING: expected an API key, found none, so all requests are refused; try `scripts/stack key add NAME`")


def digest_of(settings: Settings) -> str:
    """Returns the digest of the watched files; a missing one counts as empty."""
    followed = [settings.config, *(settings.store / name for name in (MANIFEST, RELEASES))]
    followed += [settings.secrets / name for name in (KEYS, CERTIFICATE, PRIVATE_KEY)]
    digest = hashlib.sha256()
    for path in followed:
        digest.update(_content(path) + b"\0")
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
