"""Makes ``support`` importable, Ctrl-C work wherever tests are started, and the command line callable."""

import atexit
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.in_process import open_arm

from trtbench.cli import app
from trtbench.host import hardware

INTEGRATION = Path(__file__).with_name("integration")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores, up to four (each needs 2 GB): tests wait for programs that they start.

    None on a GPU, which tests would have to share.
    """
    return 0 if config.option.markexpr == "gpu" else min(len(os.sched_getaffinity(0)) + 1, 4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that take longest, so that no worker is left alone with one of them at the end."""
    items.sort(key=lambda item: INTEGRATION not in item.path.parents)


if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores; threads of OpenMP that wait for one another would keep them busy.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    # The key that seals engines is not to be that of whoever runs the tests.
    folder = tempfile.TemporaryDirectory(prefix="trtbench-config-")
    config.add_cleanup(folder.cleanup)
    os.environ["XDG_CONFIG_HOME"] = folder.name
    # What a shell starts in the background ignores SIGINT, and so does every program that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collection: an export ends with one, a third of its time."""
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries report what is left when Python ends


@pytest.fixture(autouse=True)
def _scripted_arms_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time scripted arms in this process; tests of worker processes start them themselves."""
    monkeypatch.setattr("trtbench.measure.timers.ArmProcess", open_arm)


@pytest.fixture
def trtbench(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process, in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRTBENCH_STORE", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trtbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        output = capfd.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


@pytest.fixture(autouse=True)
def _versions_are_read_again() -> None:
    """Tests install other packages: what a command reads once is read once a test."""
    hardware._version.cache_clear()
