"""Tells which release of the stack this is (the file VERSION), and which commit of it (from git)."""

from __future__ import annotations

from stackcli.common.paths import ROOT
from stackcli.common.process import capture

NAME = "torchserve-stack"
VERSION_FILE = ROOT / "VERSION"
# What images are made of. The rest of the repository never reaches one.
IMAGE_SOURCES = ("docker", "contract")
GIT_SECONDS = 5


def version() -> str:
    """Returns the release, such as 0.1.0."""
    return VERSION_FILE.read_text().strip()


def revision() -> str:
    """Returns the commit that is checked out, with `-dirty` if tracked files differ; empty if git does not answer."""
    return marked(git("rev-parse", "HEAD"))


def image_revision() -> str:
    """Returns the last commit that changed the images' sources, with `-dirty` if those files differ from it.

    Not the commit that is checked out: a commit that changes only tests or pages leaves every image as it is, and an
    image that is built from the same files is the same image, whichever commit is checked out.
    """
    return marked(git("log", "-1", "--format=%H", "--", *IMAGE_SOURCES), *IMAGE_SOURCES)


def marked(commit: str, *paths: str) -> str:
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *paths) if commit else ""
    return f"{commit}-dirty" if changed else commit


def git(*arguments: str) -> str:
    """Returns what git prints; empty if there is no git, no repository, or one that git refuses to read."""
    ended = capture(["git", "--no-optional-locks", "-C", str(ROOT), *arguments], GIT_SECONDS)
    return ended.stdout.strip() if ended.returncode == 0 else ""


def version_line() -> str:
    """Returns a line such as `torchserve-stack 0.1.0 (2fee17e0c1d2)`; without a known commit, only the version."""
    commit, _, dirty = revision().partition("-")
    known = f" ({commit[:12]}{', with local changes' if dirty else ''})" if commit else ""
    return f"{NAME} {version()}{known}"
