"""Signals end the program as Ctrl-C does: what runs elsewhere for it ends with it."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from support.waiting import is_alive, number_in

from trtbench.environments.cache import get_or_make_folder, identity_of_folder, remove_folder
from trtbench.errors import RuntimeUnavailable
from trtbench.host.commands import run_command
from trtbench.host.signals import Stopped, deferred_signals, signal_name, stopped_by_signals
from trtbench.progress import silent

# A build of a compiler that never ends, in a command of ours; its process id is written once it is watched.
HANGS = """
import sys
from pathlib import Path
from trtbench.cli import app as cli
from trtbench.host import processes

read = processes._resident_memory

def watch(pid):
    Path("pid").write_text(f"{pid}\\n")
    return read(pid)

def doctor(deep):
    processes.supervise(["sleep", "600"], Path("log"), 600, None)

processes._resident_memory = watch
sys.argv = ["trtbench", "doctor"]
import trtbench.doctor.diagnose
trtbench.doctor.diagnose.diagnose = doctor
cli.main()
"""


# Under nohup, SIGHUP is ignored, and an ignored signal stays ignored.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_runs_for_the_program(tmp_path, number):
    command = [sys.executable, "-c", f"import signal; signal.signal({number}, signal.SIG_DFL)\n{HANGS}"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    child = number_in(tmp_path / "pid")
    process.send_signal(number)
    _, err = process.communicate()
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


def deferred(*steps: signal.Signals | str) -> list[str]:
    """Send signals in a block that holds them back; give the words behind each that were reached."""
    reached = []
    with suppress(KeyboardInterrupt, Stopped), stopped_by_signals():
        with deferred_signals() as deliver:
            for step in steps:
                if isinstance(step, signal.Signals):
                    os.kill(os.getpid(), step)
                elif step == "safe point":
                    deliver()
                reached.append(str(step))
        reached.append("after")
    return reached


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_held_back_until_a_safe_point(number: signal.Signals) -> None:
    assert deferred(number, "work", "safe point", "more work") == [str(number), "work"]


def test_a_signal_that_is_held_back_arrives_at_the_end_at_the_latest() -> None:
    assert deferred(signal.SIGTERM, "work") == [str(signal.SIGTERM), "work"]


def test_a_second_signal_is_not_held_back() -> None:
    assert deferred(signal.SIGTERM, signal.SIGTERM, "work") == [str(signal.SIGTERM)]


def test_without_a_signal_nothing_is_raised() -> None:
    assert deferred("work", "safe point") == ["work", "safe point", "after"]
