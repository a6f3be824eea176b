"""The commit of the working directory: its hash, and whether tracked files differ from it."""

import subprocess

import pytest

from trtbench.host import commit
from trtbench.host.commit import checked_out


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.check_output(["git", *identity, *arguments], text=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    git("init", "-q")
    return tmp_path


def test_the_hash_and_whether_tracked_files_differ(repository):
    (repository / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    (repository / "untracked").touch()
    (repository / "folder").mkdir()
    found = checked_out()
    assert found.sha == git("rev-parse", "HEAD").strip()
    assert not found.dirty
    assert str(found) == found.sha[:9]
    (repository / "a").write_text("2")
    assert checked_out().dirty
    assert str(checked_out()).endswith("+")


def test_nothing_before_the_first_commit(repository):
    assert checked_out() is None


def test_nothing_outside_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert checked_out() is None


def test_nothing_without_git(monkeypatch):
    monkeypatch.setattr(commit, "_COMMAND", ("no-such-git",))
    assert checked_out() is None


def test_a_repository_cannot_have_a_program_started(repository):
    git("config", "core.fsmonitor", "touch started; false")
    (repository / "a").write_text("1")
    git("add", "a")
    (repository / "started").unlink(missing_ok=True)
    checked_out()
    assert not (repository / "started").exists()
