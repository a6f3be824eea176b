"""A file is hashed once a process, and again whenever it may have changed."""

import errno
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

import pytest
from test_artifacts import SLUG, SPEC_ID, flip_a_bit, get_model

from trtbench.errors import ArtifactError
from trtbench.results import OnnxManifest
from trtbench.store import files
from trtbench.store.artifacts import Store, load_artifact
from trtbench.store.files import file_record, full_error, write_whole


def test_file_record_spans_chunks(tmp_path: Path) -> None:
    path = tmp_path / "three-chunks"
    path.write_bytes(bytes(range(256)) * 10_000)
    record = file_record(path)
    assert (record.name, record.size_bytes) == ("three-chunks", 2_560_000)
    expected = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout
    assert record.sha256 == expected.split()[0]


def test_file_record_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"gone\.onnx: is missing"):
        file_record(tmp_path / "gone.onnx")


# Hashed once


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Inodes of the files that are hashed."""
    inodes: list[int] = []
    hash_file = files._hash

    def counted(file: FileIO) -> tuple[str, int]:
        inodes.append(os.fstat(file.fileno()).st_ino)
        return hash_file(file)

    monkeypatch.setattr(files, "_hash", counted)
    return inodes


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file be old enough to be remembered."""
    now_ns = time.time_ns
    monkeypatch.setattr(files.time, "time_ns", lambda: now_ns() + 10 * files._SETTLED_NS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    return path


def wait_for_a_new_time_stamp(path: Path) -> None:
    """Until the clock of the file system has ticked: ``later`` only claims that it has."""
    probe = path.with_name("probe")
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns > path.stat().st_ctime_ns:
            return
        time.sleep(0.001)


@pytest.mark.usefixtures("later")
def test_each_file_of_an_artifact_is_hashed_once_however_often_it_is_opened(
    tmp_path: Path, hashed: list[int]
) -> None:
    store = Store(tmp_path)
    made, _ = get_model(store)
    for _ in range(3):
        assert store.find(OnnxManifest, SLUG, SPEC_ID) == made
        assert load_artifact(made.directory) == made
        assert file_record(made.payload) == made.manifest.files[0]
    assert len(hashed) == len(set(hashed)) == len(made.manifest.files)


@pytest.mark.usefixtures("later")
def test_a_renamed_folder_keeps_what_is_known_of_its_files(tmp_path: Path, hashed: list[int]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "model.onnx").write_bytes(b"content")
    first = file_record(work / "model.onnx")
    work.rename(tmp_path / "made")
    assert file_record(tmp_path / "made" / "model.onnx") == first
    assert len(hashed) == 1


def write_in_place(path: Path) -> None:
    path.write_bytes(b"after!")


def replace(path: Path) -> None:
    path.with_name("new").write_bytes(b"after!")
    path.with_name("new").replace(path)


def touched_back(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def change_and_touch(path: Path) -> None:
        before = path.stat()
        change(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change_and_touch


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "change",
    [write_in_place, replace, touched_back(write_in_place), touched_back(replace)],
    ids=["in place", "replaced", "in place, old mtime", "replaced, old mtime"],
)
def test_a_file_of_the_same_size_that_was_changed_is_hashed_again(
    path: Path, hashed: list[int], change: Callable[[Path], None]
) -> None:
    before = file_record(path)
    wait_for_a_new_time_stamp(path)
    change(path)
    after = file_record(path)
    assert after.size_bytes == before.size_bytes
    assert after.sha256 != before.sha256
    assert len(hashed) == 2


def test_a_file_just_written_is_not_remembered(path: Path, hashed: list[int]) -> None:
    """Another write within the same tick would leave its time stamps as they are."""
    file_record(path)
    file_record(path)
    assert len(hashed) == 2


@pytest.mark.usefixtures("later")
def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_file = files._hash

    def hash_then_write(file: FileIO) -> tuple[str, int]:
        found = hash_file(file)
        wait_for_a_new_time_stamp(path)
        write_in_place(path)
        return found

    monkeypatch.setattr(files, "_hash", hash_then_write)
    before = file_record(path)
    monkeypatch.setattr(files, "_hash", hash_file)
    assert file_record(path) != before


@pytest.mark.usefixtures("later")
def test_damage_is_found_after_a_file_was_remembered(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made, _ = get_model(store)
    load_artifact(made.directory)
    wait_for_a_new_time_stamp(made.payload)
    flip_a_bit(made.directory)
    with pytest.raises(ArtifactError, match="sha256"):
        load_artifact(made.directory)


def test_no_part_is_left_of_a_file_that_a_full_disk_refused(small_disk: Path) -> None:
    path = small_disk / "x.cache"
    path.write_bytes(b"older")
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, bytes(1 << 20))
    assert [(each.name, each.read_bytes()) for each in small_disk.iterdir()] == [("x.cache", b"older")]


def test_no_part_is_left_of_a_log_that_a_full_disk_refused(small_disk: Path, tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_bytes(bytes(1 << 20))
    assert Store(small_disk).keep_failed_log("build", "vit", "a" * 16, log) == "lost, No space left on device"
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


class TestWhichDiskIsFull:
    @pytest.fixture
    def full(self, small_disk: Path) -> Path:
        with suppress(OSError):
            (small_disk / "filler").write_bytes(bytes(1 << 20))
        return small_disk

    def test_the_temporary_one_is_blamed(
        self, full: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Libraries report no file: only the disks show which it was."""
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        error = full_error(tmp_path / "models" / "x", OSError(errno.ENOSPC, "No space left on device"))
        assert str(error).startswith(f"{full}: cannot be written: No space left on device (0 B free)")
        assert str(error).endswith("make room or set TMPDIR to another folder")

    def test_the_stores_own_is_blamed(
        self, full: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        error = full_error(full / "models" / "x", OSError(errno.ENOSPC, "No space left on device"))
        assert str(error).startswith(f"{full}/models/x: cannot be written")
        assert str(error).endswith("choose another store with --store")

    def test_a_file_that_is_named_is_blamed(
        self, full: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(full))
        error = OSError(errno.ENOSPC, "No space left on device", str(full / "tmpabc"))
        assert str(full_error(tmp_path / "x", error)).startswith(str(full / "tmpabc"))
