"""The states of a model store, and what each part of the stack does in them: one table, which all parts test against.

The store has one model, `m`. The builder, the runtime, the edge and the command line each have a test that goes through
STORE_STATES (test_store_states.py), so that they cannot come to different results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What may be in the store for a version.
GOOD = "good"
CANDIDATE = "good, and a candidate"
CORRUPT = "another content than the manifest says"
MISSING = "no archive"
UNSIGNED = "a record without a signature"
ALTERED = "a record that was altered after it was signed"
UNAVAILABLE = "not built"
PENDING = "the archive of the pending record"
# What only a signature can reveal; without a key it is not checked.
NEED_A_KEY = (UNSIGNED, ALTERED)


@dataclass(frozen=True)
class StoreState:
    """A store (`archives`: version → condition, in the manifest's order; `release`: the entry of m) and what follows.

    `states`: by version; `default`: what an unversioned request gets; `said`: in the log, in the container's health (if
    it is not healthy) and in `status`; `warned`: of releases.json, in the log and in `status`; `canary`: the one in
    force; `rebuilt`: the versions that the next build rebuilds.
    """

    sentence: str
    archives: Mapping[str, str]
    states: Mapping[str, str]
    default: str | None
    is_healthy: bool = True
    release: Any = None
    said: tuple[str, ...] = ()
    warned: str = ""
    canary: str | None = None
    rebuilt: tuple[str, ...] = field(default=())

    @property
    def served(self) -> list[str]:
        """The versions that TorchServe has, in the manifest's order."""
        return [version for version, state in self.states.items() if state == "served"]


def release(stable: str, *deployed: str, **more: Any) -> dict[str, Any]:
    """Returns an entry of releases.json."""
    return {"stable": stable, "previous": None, "canary": None, "deployed": list(deployed), **more}


CANARY = {"version": "2.0", "weight": 10, "sticky_header": None}
BOTH = {"2.0": "served", "1.0": "served"}

STORE_STATES = (
    StoreState("one version is the default", {"1.0": GOOD}, {"1.0": "served"}, "1.0"),
    StoreState("of two versions the newest is the default", {"2.0": GOOD, "1.0": GOOD}, BOTH, "2.0"),
    StoreState("a candidate is served and is not the default", {"2.0": CANDIDATE, "1.0": GOOD}, BOTH, "1.0"),
    StoreState("where all are candidates the newest is the default", {"2.0": CANDIDATE, "1.0": CANDIDATE}, BOTH, "2.0"),
    StoreState(
        "a corrupt version beside a good one is a fault",
        {"2.0": CORRUPT, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        said=("m 2.0: corrupt, not served",),
        rebuilt=("2.0",),
    ),
    StoreState(
        "a version without its archive is a fault",
        {"2.0": MISSING, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        said=("m 2.0: corrupt, not served", "no file m-2.0.mar"),
        rebuilt=("2.0",),
    ),
    StoreState(
        "an unsigned version beside a signed one is a fault",
        {"2.0": UNSIGNED, "1.0": GOOD},
        {"2.0": "refused", "1.0": "served"},
        "1.0",
        is_healthy=False,
        said=("m 2.0: refused, not served", "no signature"),
        rebuilt=("2.0",),
    ),
    StoreState(
        "an altered record beside an untouched one is a fault",
        {"2.0": ALTERED, "1.0": GOOD},
        {"2.0": "refused", "1.0": "served"},
        "1.0",
        is_healthy=False,
        said=("m 2.0: refused, not served", "altered after it was signed"),
        rebuilt=("2.0",),
    ),
    StoreState(
        "a corrupt version alone is a fault, and nothing is served",
        {"1.0": CORRUPT},
        {"1.0": "corrupt"},
        None,
        is_healthy=False,
        said=("m 1.0: corrupt, not served",),
        rebuilt=("1.0",),
    ),
    StoreState(
        "a version that could not be built is no fault",
        {"2.0": UNAVAILABLE, "1.0": GOOD},
        {"2.0": "unavailable", "1.0": "served"},
        "1.0",
        said=("m 2.0: unavailable, not served", "no network"),
        rebuilt=("2.0",),
    ),
    StoreState("a publication that was interrupted loses nothing", {"1.0": PENDING}, {"1.0": "served"}, "1.0"),
    StoreState(
        "a release leaves a version out",
        {"2.0": GOOD, "1.0": GOOD},
        {"2.0": "built", "1.0": "served"},
        "1.0",
        release=release("1.0", "1.0"),
        said=("m 2.0: built, not served", "`scripts/stack release deploy m 2.0`"),
    ),
    StoreState(
        "a release decides which version is the default",
        {"2.0": GOOD, "1.0": GOOD},
        BOTH,
        "1.0",
        release=release("1.0", "2.0", "1.0", previous="2.0"),
    ),
    StoreState(
        "a canary gets its share",
        {"2.0": GOOD, "1.0": GOOD},
        BOTH,
        "1.0",
        release=release("1.0", "2.0", "1.0", canary=CANARY),
        canary="2.0",
    ),
    StoreState(
        "where the stable version is corrupt the previous one is the default",
        {"3.0": GOOD, "2.0": CORRUPT, "1.0": GOOD},
        {"3.0": "served", "2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        release=release("2.0", "3.0", "2.0", "1.0", previous="1.0"),
        said=("m 2.0: corrupt, not served",),
        warned="expected m 2.0 in the model store",
        rebuilt=("2.0",),
    ),
    StoreState(
        "where the stable version is corrupt and there is none before a deployed one is the default",
        {"2.0": CORRUPT, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        release=release("2.0", "2.0", "1.0"),
        said=("m 2.0: corrupt, not served",),
        warned="expected m 2.0 in the model store",
        rebuilt=("2.0",),
    ),
    StoreState(
        "a corrupt canary gets no requests",
        {"2.0": CORRUPT, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        release=release("1.0", "2.0", "1.0", canary=CANARY),
        said=("m 2.0: corrupt, not served",),
        warned="expected m 2.0 in the model store",
        rebuilt=("2.0",),
    ),
    StoreState(
        "a corrupt version that a release leaves out is named and is no fault",
        {"2.0": CORRUPT, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        release=release("1.0", "1.0"),
        said=("m 2.0: corrupt, not served",),
        rebuilt=("2.0",),
    ),
    StoreState(
        "where all that is deployed is corrupt the others are served",
        {"2.0": CORRUPT, "1.0": GOOD},
        {"2.0": "corrupt", "1.0": "served"},
        "1.0",
        is_healthy=False,
        release=release("2.0", "2.0"),
        said=("m 2.0: corrupt, not served",),
        warned="1.0 is served",
        rebuilt=("2.0",),
    ),
    StoreState(
        "a release of versions that are gone counts as none",
        {"2.0": GOOD, "1.0": GOOD},
        BOTH,
        "2.0",
        release=release("9.0", "9.0"),
        warned="expected m 9.0 in the model store",
    ),
    StoreState(
        "a stable version that could not be built is warned of",
        {"2.0": UNAVAILABLE, "1.0": GOOD},
        {"2.0": "unavailable", "1.0": "served"},
        "1.0",
        release=release("2.0", "2.0", "1.0"),
        said=("m 2.0: unavailable, not served",),
        warned="expected m 2.0 in the model store",
        rebuilt=("2.0",),
    ),
    StoreState(
        "with a release that cannot be read all versions are served",
        {"2.0": GOOD, "1.0": GOOD},
        BOTH,
        "2.0",
        release={"deployed": "2.0"},
        warned="releases.json",
    ),
    StoreState(
        "with a canary that cannot be read its release is in force without it",
        {"2.0": GOOD, "1.0": GOOD},
        BOTH,
        "1.0",
        release=release("1.0", "2.0", "1.0", canary={"version": "2.0", "weight": 250}),
        warned="a canary of m",
    ),
)


def write_version(
    store: Path, version: str, condition: str, signed_record: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """Writes a version's files to the store and returns its entry: `signed_record(version, content, **more)`."""
    if condition == UNAVAILABLE:
        why = {"reason": "expected weights, found no network", "remedy": "a file"}
        return {"name": "m", "version": version, "status": "unavailable", **why}
    entry = signed_record(version, b"good", candidate=condition == CANDIDATE)
    if condition == PENDING:
        entry["pending"] = signed_record(version, b"next")
    if condition == UNSIGNED:
        del entry["signature"]
    if condition == ALTERED:
        entry["serving"] = {"batchSize": 4096}
    if condition != MISSING:
        content = {CORRUPT: b"bad", PENDING: b"next"}.get(condition, b"good")
        (store / f"m-{version}.mar").write_bytes(content)
    return entry
