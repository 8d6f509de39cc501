"""Which versions of a model are served; the runtime (docker/torchserve/runtime/served.py) comes to the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from stackcli.store.releases import Release


def served_versions(available: Sequence[str], release: Release | None) -> list[str]:
    """Those of the `available` ones that the release deploys; all where it deploys none of them, or there is none."""
    deployed = release.deployed if release else []
    return [version for version in available if version in deployed] or list(available)
