"""The main process, `python3 -m supervisor`: starts HAProxy, follows what configures it, drains and stops."""

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
# `scripts/stack dev` sends it once the page or a template has changed: everything is read again.
_CHANGED = signal.SIGHUP


@dataclass(frozen=True)
class Seen:
    """What is followed: the digest of the files, and the versions that TorchServe has."""

    files: str
    versions: Versions | None


NOTHING = Seen("", None)


def main() -> int:
    """Runs until a stop signal (143) or HAProxy's end (1); the restart policy does the rest."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP_SIGNALS, _CHANGED, signal.SIGCHLD})
    try:
        return serve(read_settings(os.environ))
    except Failure as failure:
        log(f"FAIL: {failure}")
        return 1


def serve(settings: Settings) -> int:
    """Prepares, starts and follows HAProxy; returns the container's exit status."""
    page, edge = HAProxy(settings.run / PAGE_CONFIG, "page"), HAProxy(settings.run / CONFIG)
    series = Series(settings)
    torchserves = LoadedVersions(lambda: ask_each(settings.torchserve, settings.most_replicas, read_report).values())
    torchserves.start()
    seen, _ = look(settings, torchserves, NOTHING)
    apply(settings, edge, seen.versions)
    start_server(settings, series)
    start_reading(settings.run, settings.request_seconds)
    if settings.is_traced:
        from supervisor.traces import start_spans  # costs nothing where nothing is traced

        start_spans(settings.run)
    # The page's HAProxy first: the edge forwards requests to it.
    page.start()
    edge.start()
    announce(settings)
    while edge.ended is None and page.ended is None:
        received = signal.sigtimedwait({*_STOP_SIGNALS, _CHANGED}, LOOK_SECONDS)
        if received and received.si_signo in _STOP_SIGNALS:
            log("stopping: no new connections, requests in flight are answered")
            edge.stop(settings.drain_seconds + 2)
            page.stop(0)
            return 128 + signal.SIGTERM
        seen, has_changed = look(settings, torchserves, seen)
        if has_changed or received:
            series.reloaded(follow(settings, page, edge, seen.versions))
    log(f"FAIL: expected HAProxy to run, found it ended with {edge.ended or page.ended}; try the lines above")
    return 1


def look(settings: Settings, torchserves: LoadedVersions, before: Seen) -> tuple[Seen, bool]:
    """What there is to follow now, and whether HAProxy has to take over anything since `before`."""
    files = digest_of(settings)
    are_new = files != before.files
    if are_new:
        # TorchServe may have loaded a moment ago what a changed file now routes to.
        torchserves.look_now(ANSWER_SECONDS)
    now = Seen(files, torchserves.versions)
    return now, are_new or (now.versions != before.versions and not is_in_force(settings, now.versions))


def is_in_force(settings: Settings, loaded: Versions | None) -> bool:
    """Whether HAProxy's files would be rendered as they are, or cannot be rendered."""
    try:
        rendered = render(settings, loaded)
    except Failure:
        return True
    return all((settings.run / name).read_text(encoding="utf-8") == text for name, text in rendered.files.items())


def follow(settings: Settings, page: HAProxy, edge: HAProxy, loaded: Versions | None) -> str:
    """Takes a change over and returns "ok", or "refused" where it cannot be used and changes nothing."""
    known = accepted_keys(settings)
    try:
        apply(settings, edge, loaded)
        edge.forget(KEYS_MAP, known - accepted_keys(settings))
        page.reload()
        edge.reload()
        announce(settings)
    except Failure as failure:
        log(f"FAIL: {failure}; what was in force before still is")
        return "refused"
    return "ok"


def apply(settings: Settings, haproxy: HAProxy, loaded: Versions | None = None) -> None:
    """Writes HAProxy's files once HAProxy has approved of them; `loaded`: see read_models. Raises Failure."""
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
    """The lines of HAProxy's map: a hash and what it may do, so that a key whose scope changes is another one."""
    path = settings.run / KEYS_MAP
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()


def announce(settings: Settings) -> None:
    """Logs what is in force, and writes it down for the series and the numbers."""
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
        log("WARNING: expected an API key, found none: every request is refused; try `scripts/stack key add NAME`")


def digest_of(settings: Settings) -> str:
    """The digest of the files that are followed; a missing one counts as empty."""
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
