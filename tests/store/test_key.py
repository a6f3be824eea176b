"""The key of a user: where it lies, who may use it, and how it is made."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from trtbench.errors import ArtifactError
from trtbench.store import key as key_module
from trtbench.store.key import KEY_BYTES, key_path, read_key, read_or_make_key


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "trtbench" / "seal.key"


def test_it_lies_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert key_path() == tmp_path / ".config" / "trtbench" / "seal.key"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert key_path() == tmp_path / "other" / "trtbench" / "seal.key"


@pytest.mark.parametrize("relative", ["", ".", "config", "../config"])
def test_a_relative_folder_is_ignored(relative: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", relative)
    assert key_path() == tmp_path / ".config" / "trtbench" / "seal.key"


def test_without_a_home_folder_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user has no name."""

    def unknown(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(ArtifactError, match=r"no home folder .*: set XDG_CONFIG_HOME"):
        read_or_make_key()


def test_it_is_made_once_for_its_user_alone(path: Path) -> None:
    assert read_key() is None
    assert not path.parent.exists()
    key = read_or_make_key()
    assert len(key) == KEY_BYTES
    assert read_or_make_key() == read_key() == key == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["seal.key"]


def test_several_that_make_it_at_once_have_one(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        keys = {future.result() for future in [threads.submit(read_or_make_key) for _ in range(32)]}
    assert keys == {path.read_bytes()}
    assert [each.name for each in path.parent.iterdir()] == ["seal.key"]


def test_it_is_on_the_disk_before_it_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    sync = key_module.sync

    def record(each: Path) -> None:
        synced.append((each.name.partition("-")[0], path.exists()))
        sync(each)

    monkeypatch.setattr(key_module, "sync", record)
    read_or_make_key()
    assert synced == [("seal.key", False), ("trtbench", True)]


def empty(path: Path) -> None:
    path.write_bytes(b"")
    path.chmod(0o600)


def too_long(path: Path) -> None:
    path.write_bytes(bytes(KEY_BYTES + 1))
    path.chmod(0o600)


def readable_by_the_group(path: Path) -> None:
    path.write_bytes(bytes(KEY_BYTES))
    path.chmod(0o640)


def writable_by_all(path: Path) -> None:
    path.write_bytes(bytes(KEY_BYTES))
    path.chmod(0o602)


def link(path: Path) -> None:
    good = path.with_name("good")
    good.write_bytes(bytes(KEY_BYTES))
    good.chmod(0o600)
    path.symlink_to(good)


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs root, to make a device")


def of_another_user(path: Path) -> None:
    path.write_bytes(bytes(KEY_BYTES))
    path.chmod(0o600)
    try:
        os.chown(path, 12345, -1)
    except PermissionError:
        pytest.skip("needs root, to give a file away")


UNFIT: dict[Callable[[Path], None], str] = {
    empty: "has 0 bytes instead of 32",
    too_long: "has 33 bytes instead of 32",
    readable_by_the_group: r"others can use it \(mode 640\)",
    writable_by_all: r"others can use it \(mode 602\)",
    link: "is a link",
    dangling_link: "is a link",
    fifo: "is not a regular file",
    folder: "is not a regular file",
    device: "is not a regular file|cannot be opened",
    of_another_user: r"belongs to user 12345, not to you \(0\)",
}


@pytest.mark.parametrize(("make", "problem"), UNFIT.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_an_unfit_key_is_neither_used_nor_replaced(
    make: Callable[[Path], None], problem: str, path: Path
) -> None:
    path.parent.mkdir(parents=True)
    make(path)
    before = path.lstat()
    for read in (read_key, read_or_make_key):
        with pytest.raises(ArtifactError, match=f"seal.key: the key that .* {problem}.*: remove it,"):
            read()
    assert path.lstat().st_ino == before.st_ino


def test_where_the_home_is_read_only_the_remedy_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(30, "Read-only file system", str(path.parent))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert read_key() is None
    with pytest.raises(ArtifactError, match=r"cannot be written: Read-only .*; set XDG_CONFIG_HOME"):
        read_or_make_key()


def test_a_file_in_place_of_the_folder_is_named(path: Path) -> None:
    path.parent.parent.mkdir()
    path.parent.write_text("")
    assert read_key() is None
    with pytest.raises(ArtifactError, match=r"trtbench: cannot be written: File exists; set XDG_CONFIG_HOME"):
        read_or_make_key()


AS_NOBODY = "import os; from trtbench.store.key import read_or_make_key; os.setgid(65534); os.setuid(65534); "


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_the_key_of_another_user_is_out_of_reach(path: Path) -> None:
    read_or_make_key()
    for folder in (path.parent, path.parent.parent):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + "read_or_make_key()"], capture_output=True, text=True, check=False
    )
    assert "the key that engines are sealed with cannot be opened: Permission denied" in done.stderr
