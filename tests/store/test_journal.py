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
