from io import FileIO
from pathlib import Path

import pytest

from trtbench.host.log_tail import LogTail
from trtbench.progress import Step


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    path = tmp_path / "build.log"
    path.write_bytes(b"[INFO] Progress: 1/2 another build\n")
    return path


def append(path: Path, text: str) -> None:
    with open(path, "ab") as log:  # noqa: PTH123
        log.write(text.encode())


def test_only_the_last_new_progress_is_reported(log_path: Path) -> None:
    told: list[Step] = []
    tail = LogTail(log_path, told.append)
    tail.tell_news(0.0)
    append(log_path, "[INFO] Progress: 0/2 a\n[VERBOSE] x\n[INFO] Progress: 1/2 b c\n[VERBOSE] y\n")
    tail.tell_news(1.9)
    assert told == []
    tail.tell_news(2.0)
    tail.tell_news(4.0)
    assert told == [Step("build", "b c", 1, 2)]


def test_a_line_written_in_two_parts_is_reported_whole(log_path: Path) -> None:
    told: list[Step] = []
    tail = LogTail(log_path, told.append)
    append(log_path, "[VERBOSE] x\n[INFO] Progress: 1/2 b")
    tail.tell_news(0.0)
    assert told == []
    append(log_path, " c\n")
    tail.tell_news(2.0)
    assert told == [Step("build", "b c", 1, 2)]


def test_a_log_that_grows_while_it_is_read(log_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Step] = []
    log_path.write_bytes(b"")
    tail = LogTail(log_path, told.append)

    class Growing(FileIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            position = super().seek(offset, whence)
            if whence == 2:
                append(log_path, "[VERBOSE] x\n[VERBOSE] a long line, of which more is to come")
            return position

    with monkeypatch.context() as patch:
        patch.setattr(type(log_path), "open", lambda path, mode: Growing(path))
        tail.tell_news(0.0)
    append(log_path, "\n[INFO] Progress: 1/2 a\n")
    tail.tell_news(2.0)
    assert told == [Step("build", "a", 1, 2)]


def test_of_much_new_text_the_end_is_read(log_path: Path) -> None:
    told: list[Step] = []
    tail = LogTail(log_path, told.append)
    append(log_path, "[INFO] Progress: 1/2 a\n" + "[VERBOSE] x\n" * 200_000)
    tail.tell_news(0.0)
    append(log_path, "[INFO] Progress: 2/2 b\n")
    tail.tell_news(2.0)
    assert told == [Step("build", "b", 2, 2)]
