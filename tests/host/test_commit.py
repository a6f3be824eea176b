"""The commit of the working directory."""

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


def test_the_hash_of_the_commit(repository):
    (repository / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    found = checked_out()
    assert found.sha == git("rev-parse", "HEAD").strip()
    assert str(found) == found.sha[:9]


def test_nothing_before_the_first_commit(repository):
    assert checked_out() is None


def test_nothing_outside_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert checked_out() is None


def test_nothing_without_git(monkeypatch):
    monkeypatch.setattr(commit, "_COMMAND", ("no-such-git",))
    assert checked_out() is None


@pytest.mark.parametrize(
    ("setting", "program"),
    [("core.fsmonitor", "touch started; false"), ("filter.own.clean", "touch started; cat")],
)
def test_a_repository_cannot_have_a_program_started(repository, setting, program):
    (repository / ".gitattributes").write_text("a filter=own")
    (repository / "a").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    git("config", setting, program)
    (repository / "a").write_text("2")
    git("status")
    assert (repository / "started").exists()  # the attack works
    (repository / "started").unlink()
    assert checked_out() is not None
    assert not (repository / "started").exists()
