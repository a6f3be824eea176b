"""Signals end the program as Ctrl-C does: what runs elsewhere for it ends with it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from trtbench.environments.cache import get_or_make_folder, identity_of_folder, remove_folder
from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.host.signals import Stopped, signal_name, stopped_by_signals
from trtbench.progress import silent

# A build of a compiler that never ends, in a command of ours.
HANGS = """
import sys
from pathlib import Path
from trtbench.cli import app as cli
from trtbench.host.processes import supervise

def doctor(deep):
    supervise(["sh", "-c", "echo $$ > pid; exec sleep 60"], Path("log"), 60, None)

sys.argv = ["trtbench", "doctor"]
import trtbench.doctor.diagnose
trtbench.doctor.diagnose.diagnose = doctor
cli.main()
"""


def wait_for(path, timeout_s=30.0):
    """The number in a file, once it is there."""
    for _ in range(int(timeout_s / 0.05)):
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} is not there after {timeout_s} s")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_runs_for_the_program(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", HANGS], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    child = wait_for(tmp_path / "pid")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1].startswith(f"trtbench: stopped by {number.name}; finished work is kept")
    assert not is_alive(child)


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(Stopped):
                os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # amid the cleaning up
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (40, f"SIGRTMIN+{40 - signal.SIGRTMIN}")])
def test_every_signal_has_a_name(number, name):
    assert signal_name(number) == name


def test_a_command_that_is_cut_short_is_ended_where_it_runs(tmp_path):
    started, stopped = tmp_path / "started", tmp_path / "stopped"
    command = ("sh", "-c", f"touch {started}; exec sleep 60")
    with pytest.raises(RuntimeUnavailable, match="no answer within"):
        run_command(command, 0.5, stop=("touch", str(stopped)))
    assert started.exists()
    assert stopped.exists()
    stopped.unlink()
    assert run_command(("true",), 5, stop=("touch", str(stopped))).returncode == 0
    assert not stopped.exists()


def test_a_damaged_folder_that_another_process_has_made_again_stays(tmp_path):
    folder = get_or_make_folder(tmp_path / "venv", lambda path: path.mkdir(), silent)
    seen = identity_of_folder(folder)
    remove_folder(folder, seen, silent)
    assert not folder.exists()
    get_or_make_folder(folder, lambda path: path.mkdir(), silent)  # by another process
    remove_folder(folder, seen, silent)
    assert folder.exists()
