"""Finds the browser that the playground's tests drive, or installs it from Debian's packages."""

from __future__ import annotations

import os
import shutil

from stackcli.common import console
from stackcli.common.errors import BuildError
from stackcli.machine.apt import apt, read_os_release

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# With the fonts, Chinese ones included, of the screenshots that the tests take.
PACKAGES = ("chromium", "fonts-inter", "fonts-droid-fallback")


def find_browser() -> str | None:
    """Returns the path of Chromium or Chrome; None if neither is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def ensure_browser(yes: bool) -> None:
    """Installs a browser if there is none and `yes`, as root on Debian. Raises BuildError with the command to run."""
    if find_browser():
        return
    # Ubuntu's package of that name installs a snap, which needs a running snapd.
    is_debian = read_os_release().get("ID") == "debian"
    if not (yes and is_debian and os.geteuid() == 0):
        install = f"`apt-get install {' '.join(PACKAGES)}`" if is_debian else "installing Chromium or Chrome"
        remedy = f"{install}, or `sudo scripts/stack test --yes`" if is_debian else install
        raise BuildError(f"a browser for tests/browser ({', '.join(PROGRAMS)})", "none on the PATH", remedy)
    console.say(f"installing {' '.join(PACKAGES)}")
    apt(["apt-get", "update", "-q"])
    apt(["apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-remove", *PACKAGES])
