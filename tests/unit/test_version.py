"""Which release and which commit this is, with git, without it, and at once."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stackcli import cli
from stackcli.common import version
from stackcli.common.paths import ROOT


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in the place of this one."""
    for folder in ("docker", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("one\n")
    (tmp_path / "VERSION").write_text("1.2.3\n")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    monkeypatch.setattr(version, "ROOT", tmp_path)
    monkeypatch.setattr(version, "VERSION_FILE", tmp_path / "VERSION")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=any", "-c", "user.email=any@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "any")
    return git(folder, "rev-parse", "HEAD")


def test_the_version_is_three_numbers_and_the_changelog_knows_it() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.version())
    assert f"## [{version.version()}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_version_line_names_the_release_and_the_commit(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert version.version_line() == f"torchserve-stack 1.2.3 ({head[:12]})"
    (repository / "tests" / "file").write_text("two\n")
    assert version.version_line() == f"torchserve-stack 1.2.3 ({head[:12]}, with local changes)"


def test_a_copy_without_a_repository_has_a_version_and_no_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (version.revision(), version.image_revision()) == ("", "")
    assert version.version_line() == f"torchserve-stack {version.version()}"


def test_images_keep_their_revision_over_commits_that_no_image_is_made_of(repository: Path) -> None:
    first = version.image_revision()
    (repository / "tests" / "file").write_text("two\n")
    assert commit(repository) != first
    assert version.image_revision() == first
    (repository / "docker" / "file").write_text("two\n")
    assert version.image_revision() == f"{first}-dirty"
    latest = commit(repository)
    assert version.image_revision() == version.revision() == latest


def test_the_option_imports_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it ask Docker: it answers where neither works."""
    monkeypatch.setattr(cli, "import_module", pytest.fail)
    shown = CliRunner().invoke(cli.make_app(["--version"]), ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"{version.version_line()}\n")
