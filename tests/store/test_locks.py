"""A lock keeps processes apart, and ends with the process that holds it."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from trtbench.errors import ArtifactError, Code
from trtbench.host.processes import supervising_thread
from trtbench.progress import silent
from trtbench.store.locks import locked, remove_leftovers, work_path

OWNER = "0123456789abcdef"


def python(script: str, *arguments: Path) -> "subprocess.Popen[str]":
    header = """
        import os, sys, time
        from pathlib import Path
        from test_artifacts import SLUG, SPEC_ID, OnnxManifest, Store, write_model
        from trtbench.progress import silent
        from trtbench.store.locks import locked
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(header) + textwrap.dedent(script), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )


@contextmanager
def holder(folder: Path, then: str = "sys.stdin.read()") -> "Iterator[subprocess.Popen[str]]":
    """A process that holds the lock, and is killed at the latest on the way out."""
    child = python(
        f"""
        with locked(Path(sys.argv[1]), {OWNER!r}, "setup", silent):
            print("held", flush=True)
            {then}
        """,
        folder,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def steps_of_taking(folder: Path) -> list[str]:
    steps: list[str] = []
    with locked(folder, OWNER, "setup", steps.append):
        return steps


def test_a_lock_file_left_by_kill_9_does_not_block(tmp_path: Path) -> None:
    with holder(tmp_path) as child:
        child.kill()
        child.communicate()
        assert child.returncode == -signal.SIGKILL
    assert (tmp_path / f".lock-{OWNER}").exists()
    assert steps_of_taking(tmp_path) == []


def test_a_killed_process_frees_the_lock_though_a_child_that_it_forked_lives_on(tmp_path: Path) -> None:
    # The child prints, so that it is past what runs in it behind the fork.
    fork = "os.fork() or print(os.getpid(), flush=True); sys.stdin.read()"
    with holder(tmp_path, fork) as child:
        assert child.stdout is not None
        orphan = int(child.stdout.readline())
        try:
            child.kill()
            child.wait(timeout=10)
            os.kill(orphan, 0)
            assert steps_of_taking(tmp_path) == []
        finally:
            os.kill(orphan, signal.SIGKILL)


def test_two_processes_never_hold_it_at_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    count = """
        folder = Path(sys.argv[1])
        sys.stdin.read(1)
        for _ in range(25):
            with locked(folder, "counter", "setup", silent):
                seen = int((folder / "counter").read_text())
                time.sleep(0.001)
                (folder / "counter").write_text(str(seen + 1))
    """
    children = [python(count, tmp_path) for _ in range(2)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("g")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert counter.read_text() == "50"


def test_of_two_processes_that_race_for_one_artifact_one_makes_it(tmp_path: Path) -> None:
    race = """
        sys.stdin.read(1)
        store = Store(Path(sys.argv[1]))
        for number in range(10):
            spec_id = f"{number:016x}"
            _, is_new = store.get_or_make(
                OnnxManifest, SLUG, spec_id, lambda directory: write_model(directory, spec_id=spec_id)
            )
            print(number if is_new else "", flush=True)
    """
    children = [python(race, tmp_path) for _ in range(2)]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("g")
        child.stdin.flush()
    made = [line for child in children for line in child.communicate(timeout=60)[0].split()]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(map(int, made)) == list(range(10))
    names = {path.name for path in (tmp_path / "models").iterdir() if not path.name.startswith(".lock-")}
    assert len(names) == 10


def test_the_lock_file_stays_so_that_all_wait_for_the_same_one(tmp_path: Path) -> None:
    steps_of_taking(tmp_path)
    first = (tmp_path / f".lock-{OWNER}").stat().st_ino
    steps_of_taking(tmp_path)
    assert (tmp_path / f".lock-{OWNER}").stat().st_ino == first


def test_another_user_of_the_group_can_take_it(tmp_path: Path) -> None:
    umask = os.umask(0o002)
    try:
        steps_of_taking(tmp_path)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / f".lock-{OWNER}").stat().st_mode) == 0o664


def test_work_of_a_held_lock_stays_also_that_of_this_thread(tmp_path: Path) -> None:
    mine, dead = work_path(tmp_path / "a", OWNER), work_path(tmp_path / "b", "feedbeef")
    with locked(tmp_path, OWNER, "setup", silent), locked(tmp_path, "other", "setup", silent):
        mine.mkdir()
        dead.mkdir()
        remove_leftovers(tmp_path, "other")
        assert mine.exists()
        assert not dead.exists()


def test_a_folder_that_cannot_be_written_is_one_line(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(ArtifactError) as caught:
        steps_of_taking(small_disk)
    assert str(caught.value) == (
        f"{small_disk}/.lock-{OWNER}: cannot be written: Read-only file system; "
        "choose another store with --store"
    )


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(ArtifactError) as caught:
        steps_of_taking(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/.lock-{OWNER}: cannot be written: {os.strerror(code)}; choose another store with --store"
    )


def test_waiting_for_a_lock_ends_when_the_command_is_interrupted(tmp_path: Path) -> None:
    waiting = threading.Event()

    def take() -> None:
        with locked(tmp_path, OWNER, "build", lambda step: waiting.set()):
            pytest.fail("another holds the lock")

    with (
        locked(tmp_path, OWNER, "build", silent),
        suppress(KeyboardInterrupt),
        supervising_thread() as thread,
    ):
        second = thread.submit(take)
        assert waiting.wait(60)
        raise KeyboardInterrupt
    assert second.exception().code == Code.BUILD_KILLED
