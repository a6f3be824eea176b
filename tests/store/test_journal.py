"""A journal keeps every finished line through kills, and never two writers."""

import errno
import fcntl
import json
import os

import pytest
from support.scripted import blocks

from trtbench.errors import ArtifactError, MeasureError
from trtbench.results import TimedBlock
from trtbench.store.journal import open_journal, read_journal

LINES = blocks(1.0, 2.0, 3.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "blocks.jsonl"


def write(path, lines):
    with open_journal(path, TimedBlock) as journal:
        for line in lines:
            journal.append(line)


def test_lines_are_there_when_it_is_opened_again(path):
    write(path, LINES[:2])
    with open_journal(path, TimedBlock) as journal:
        assert journal.lines == LINES[:2]
        journal.append(LINES[2])
        assert journal.lines == LINES
    assert read_journal(path, TimedBlock) == LINES


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_a_kill_cut_short_is_dropped_and_written_over(path, cut):
    write(path, LINES[:2])
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_journal(path, TimedBlock) == LINES[:1]
    with open_journal(path, TimedBlock) as journal:
        assert journal.lines == LINES[:1]
        journal.append(LINES[2])
    assert read_journal(path, TimedBlock) == [LINES[0], LINES[2]]


def test_a_damaged_line_in_the_middle_is_named(path):
    write(path, LINES)
    lines = path.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "samples": "many"})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ArtifactError, match="line 2 is damaged"):
        read_journal(path, TimedBlock)


def test_a_second_writer_is_refused(path):
    with (
        open_journal(path, TimedBlock),
        pytest.raises(MeasureError, match="another trtbench"),
        open_journal(path, TimedBlock),
    ):
        pass
    write(path, LINES)


def test_a_journal_that_cannot_be_locked_is_named(path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(ArtifactError, match=r"blocks\.jsonl: cannot be locked: No locks available"),
        open_journal(path, TimedBlock),
    ):
        pass


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="nowhere"), open_journal(tmp_path / "nowhere" / "x", TimedBlock):
        pass


class Disk:
    """Counts what is forced to the disk, which takes ``wait_s``; a line comes every quarter of a second."""

    def __init__(self, monkeypatch, wait_s):
        self.now_s, self.syncs, self._wait_s = 0.0, 0, wait_s
        monkeypatch.setattr("trtbench.store.journal.time.monotonic", lambda: self.now_s)
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, descriptor):
        self.syncs += 1
        self.now_s += self._wait_s

    def write(self, path, count, at_once):
        (block,) = blocks(1.0)
        with open_journal(path, TimedBlock) as journal:
            for _ in range(count):
                journal.append(block, at_once)
                self.now_s += 0.25


@pytest.mark.parametrize(("wait_s", "syncs"), [(0.0, 400), (0.001, 400), (0.01, 50), (0.1, 5)])
def test_a_slow_disk_is_waited_for_less_than_a_hundredth_of_the_time(path, monkeypatch, wait_s, syncs):
    disk = Disk(monkeypatch, wait_s)
    disk.write(path, 400, at_once=False)
    assert disk.syncs == pytest.approx(syncs, rel=0.1)
    assert disk.syncs * wait_s <= 0.01 * disk.now_s
    assert len(read_journal(path, TimedBlock)) == 400


def test_each_line_is_waited_for_where_it_is_needed_at_once(path, monkeypatch):
    disk = Disk(monkeypatch, 0.1)
    disk.write(path, 20, at_once=True)
    assert disk.syncs == 20


def changed(lines):
    lines[1] = lines[1].replace(b"2.0", b"1.0")


def lost(lines):
    del lines[1]


def moved(lines):
    lines[0], lines[1] = lines[1], lines[0]


def repeated(lines):
    lines.insert(1, lines[0])


def without_its_checksum(lines):
    lines[1] = lines[1].partition(b',"crc32"')[0] + b"}\n"


def brought_from_elsewhere(lines):
    lines[1] = lines[1].partition(b',"crc32"')[0] + b',"crc32":"00000000"}\n'


@pytest.mark.parametrize(
    "damage", [changed, lost, moved, repeated, without_its_checksum, brought_from_elsewhere]
)
def test_damage_that_leaves_valid_lines_is_noticed(path, damage):
    write(path, LINES)
    lines = path.read_bytes().splitlines(keepends=True)
    damage(lines)
    path.write_bytes(b"".join(lines))
    for read in (read_journal, lambda *given: write(path, [])):
        with pytest.raises(ArtifactError, match=r"line [12] is damaged, or lines before it are lost"):
            read(path, TimedBlock)


def test_lines_are_json_that_anyone_can_read(path):
    write(path, LINES)
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert all(len(line.pop("crc32")) == 8 for line in found)
    assert [TimedBlock.model_validate(line) for line in found] == LINES


def test_a_journal_of_an_older_version_goes_on_with_checksums(path):
    path.write_text("".join(f"{line.model_dump_json()}\n" for line in LINES[:2]))
    write(path, LINES[2:])
    assert read_journal(path, TimedBlock) == LINES
    lines = path.read_bytes().splitlines(keepends=True)
    assert [b"crc32" in line for line in lines] == [False, False, True]
