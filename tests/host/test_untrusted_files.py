"""Files of others that are not what their names promise."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from trtbench.host.untrusted_files import check_untrusted, open_untrusted, read_untrusted


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))  # their names are at most 107 bytes long


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


REFUSED = {
    fifo: "a FIFO, not a regular file",
    unix_socket: "a socket, not a regular file",
    device: "a device, not a regular file",
    folder: "Is a directory",
    link_to_fifo: "a FIFO, not a regular file",
    link_to_itself: "Too many levels of symbolic links",
}


@pytest.mark.parametrize(("make", "problem"), REFUSED.items(), ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize(
    "read", [lambda path: read_untrusted(path, 10), check_untrusted], ids=["read", "check"]
)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, make: Callable[[Path], None], problem: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / "name"
    make(path)
    with pytest.raises(OSError, match=problem) as caught:
        read(path)
    assert (caught.value.strerror, caught.value.filename) == (problem, str(path))


def test_what_becomes_a_fifo_after_the_first_look_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"first")
    regular = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda _: regular)
    with pytest.raises(OSError, match="a FIFO"):
        open_untrusted(path)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"12345")
    assert read_untrusted(path, 5) == b"12345"
    with pytest.raises(OSError, match="5 B is larger than the 4 B that such a file may have"):
        read_untrusted(path, 4)
    with pytest.raises(OSError, match="larger than the 4 B"):
        open_untrusted(path, 4)


def test_a_file_that_reports_no_size_is_bounded_too() -> None:
    with pytest.raises(OSError, match="larger than the 3 B"):
        read_untrusted(Path("/proc/self/status"), 3)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_untrusted(tmp_path / "name", 1)


class TestInsideOfAFolder:
    @pytest.fixture
    def received(self, tmp_path: Path) -> Path:
        (tmp_path / "secret").write_bytes(b"secret")
        (tmp_path / "received" / "deep").mkdir(parents=True)
        (tmp_path / "received" / "data").write_bytes(b"data")
        return tmp_path / "received"

    def test_files_and_links_within_are_read(self, received: Path) -> None:
        (received / "deep" / "link").symlink_to("../data")
        for name in ("data", "deep/link", "deep/../data"):
            assert read_untrusted(received / name, 10, inside=[received]) == b"data"

    def test_a_folder_that_is_reached_by_a_link_counts(self, received: Path, tmp_path: Path) -> None:
        (tmp_path / "alias").symlink_to(received)
        assert read_untrusted(tmp_path / "alias" / "data", 10, inside=[tmp_path / "alias"]) == b"data"

    @pytest.mark.parametrize("target", ["../secret", "absolute", "deep/up/secret"])
    def test_a_link_out_of_it_is_refused(self, received: Path, tmp_path: Path, target: str) -> None:
        (received / "deep" / "up").symlink_to(tmp_path)
        (received / "link").symlink_to(tmp_path / "secret" if target == "absolute" else target)
        with pytest.raises(OSError, match=r"leads to .*secret, out of its folder"):
            read_untrusted(received / "link", 10, inside=[received])

    def test_a_folder_whose_name_begins_alike_is_another(self, received: Path) -> None:
        other = received.with_name("received2")
        other.mkdir()
        (other / "data").write_bytes(b"other")
        (received / "link").symlink_to("../received2/data")
        with pytest.raises(OSError, match="out of its folder"):
            read_untrusted(received / "link", 10, inside=[received])

    def test_one_of_several_folders_will_do(self, received: Path, tmp_path: Path) -> None:
        (received / "link").symlink_to("../secret")
        assert read_untrusted(received / "link", 10, inside=[received, tmp_path]) == b"secret"
