"""Makes ``support`` importable, Ctrl-C work wherever tests are started, and the command line callable."""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trtbench.cli import app


def pytest_configure() -> None:
    # What a shell starts in the background ignores SIGINT, and so does every program that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def trtbench(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trtbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        output = capfd.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run
