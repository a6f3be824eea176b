import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from trtbench.export.capture import captured_output


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def write_descriptor(descriptor: int, text: str) -> None:
    """Write as a C library does, past Python's streams."""
    os.write(descriptor, text.encode())


def test_everything_goes_to_the_log_and_nothing_to_the_user(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    say("before")
    with captured_output(tmp_path / "log"):
        say("python out")
        sys.stderr.write("python err\n")
        write_descriptor(1, "c out\n")
        write_descriptor(2, "c err\n")
        subprocess.run(["echo", "child"], check=True)
    say("after")
    assert capfd.readouterr() == ("before\nafter\n", "")
    log = (tmp_path / "log").read_text()
    for line in ("python out", "python err", "c out", "c err", "child"):
        assert line in log


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_output_is_back_after_an_error(
    error: type[BaseException], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        with captured_output(tmp_path / "log"):
            say("inside")
            raise error

    streams = sys.stdout, sys.stderr
    with pytest.raises(error):
        fail()
    assert (sys.stdout, sys.stderr) == streams
    say("visible")
    write_descriptor(2, "this too\n")
    assert capfd.readouterr() == ("visible\n", "this too\n")


def test_released_output_is_the_users(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with captured_output(tmp_path / "log") as capture:
        say("log 1")
        with capture.released():
            say("user")
            write_descriptor(1, "user too\n")
        say("log 2")
    assert capfd.readouterr().out == "user\nuser too\n"
    assert (tmp_path / "log").read_text() == "log 1\nlog 2\n"


def test_an_error_while_released_leaves_nothing_captured(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        with captured_output(tmp_path / "log") as capture, capture.released():
            raise ValueError("of the caller")

    with pytest.raises(ValueError, match="of the caller"):
        fail()
    say("visible")
    assert capfd.readouterr().out == "visible\n"


def test_a_log_handler_set_up_inside_survives(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("a library's")
    with captured_output(tmp_path / "log"):
        handler = logging.StreamHandler()  # keeps the sys.stderr of this moment
        logger.addHandler(handler)
        logger.warning("inside")
    with captured_output(tmp_path / "second"):
        logger.warning("second")
    logger.removeHandler(handler)
    assert "inside" in (tmp_path / "log").read_text()
    assert "second" in (tmp_path / "second").read_text()
    assert capfd.readouterr() == ("", "")


def test_it_works_with_streams_closed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, pathlib, sys\n"
        "from trtbench.export.capture import captured_output\n"
        f"with captured_output(pathlib.Path({str(log)!r})):\n"
        "    print('inside'); os.write(2, b'c inside')\n"
    )
    subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, code], check=True)
    assert "inside" in log.read_text()
    assert "c inside" in log.read_text()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def open_descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with captured_output(tmp_path / "log"):
        pass
    before = open_descriptors()
    for _ in range(3):
        with captured_output(tmp_path / "log") as capture, capture.released():
            pass
    assert open_descriptors() == before


@pytest.mark.filterwarnings("default::RuntimeWarning")
def test_a_warning_is_no_error_inside(tmp_path: Path) -> None:
    warnings.simplefilter("error", RuntimeWarning)
    with captured_output(tmp_path / "log"):
        warnings.warn("of a library", RuntimeWarning, stacklevel=1)
    assert "RuntimeWarning: of a library" in (tmp_path / "log").read_text()
    with pytest.raises(RuntimeWarning):
        warnings.warn("ours", RuntimeWarning, stacklevel=1)
