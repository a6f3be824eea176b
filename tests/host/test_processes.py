import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.waiting import is_alive, number_in, wait_for_the_end_of

from trtbench.errors import BuildError, Code
from trtbench.host import with_parent
from trtbench.host.processes import Usage, child_environment, supervise, supervising_thread
from trtbench.host.with_parent import PARENT_PID
from trtbench.progress import Step

MB = 1_000_000


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "build.log"


def run(
    code: str, log_path: Path, *, timeout_s: float = 300.0, memory_limit_bytes: int | None = None
) -> Usage:
    return supervise([sys.executable, "-c", code], log_path, timeout_s, memory_limit_bytes)


def test_success_gives_time_and_memory(log_path: Path) -> None:
    usage = run("import time; block = b'x' * 200_000_000; del block; time.sleep(0.2)", log_path)
    assert 0.2 < usage.duration_s < 300
    assert 200 * MB < usage.peak_rss_bytes < 300 * MB


def test_all_output_goes_to_the_end_of_the_log(log_path: Path) -> None:
    log_path.write_text("[INFO] before\n")
    run("import sys; print('out', flush=True); print('err', file=sys.stderr)", log_path)
    assert log_path.read_text() == "[INFO] before\nout\nerr\n"


def test_standard_input_is_closed(log_path: Path) -> None:
    run("import sys; print(repr(sys.stdin.read()))", log_path)
    assert log_path.read_text() == "''\n"


def test_a_refusal_quotes_the_last_words(log_path: Path) -> None:
    code = "import sys; print('[ERROR] no tactic for x'); print('[INFO] bye'); sys.exit(1)"
    with pytest.raises(BuildError, match=r"^no tactic for x$") as caught:
        run(code, log_path)
    assert caught.value.code == Code.BUILD_FAILED


def test_a_silent_failure_gives_the_exit_code(log_path: Path) -> None:
    with pytest.raises(BuildError, match="exit code 7 and no output"):
        run("import sys; sys.exit(7)", log_path)


@pytest.mark.parametrize(
    ("crash", "cause"),
    [
        ("os.abort()", r"killed by signal 6 \(SIGABRT\)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"killed by signal 11 \(SIGSEGV\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", r"killed by signal 9 \(probably out of memory\)"),
        ("import ctypes; ctypes.string_at(0)", r"killed by signal 11 \(SIGSEGV\)"),
    ],
)
def test_a_crash_gives_the_signal_and_the_last_words(log_path: Path, crash: str, cause: str) -> None:
    code = f"import os, signal; print('[VERBOSE] compile block 3', flush=True); {crash}"
    with pytest.raises(BuildError, match=f"{cause}.*last words: compile block 3") as caught:
        run(code, log_path)
    assert caught.value.code == Code.BUILD_KILLED


def test_a_crash_without_a_word(log_path: Path) -> None:
    with pytest.raises(BuildError, match=r"killed by signal 6 \(SIGABRT\)$"):
        run("import os; os.abort()", log_path)


def test_a_hang_is_stopped_with_all_its_children(
    log_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_path = tmp_path / "pid"
    code = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(pid_path)!r}).write_text(f'{{child.pid}}\\n')\n"
        "print('[INFO] waiting', flush=True)\n"
        "time.sleep(600)"
    )
    # Two seconds have passed once it hangs.
    clock = SimpleNamespace(sleep=time.sleep, monotonic=lambda: 2.0 * ("waiting" in read(log_path)))
    monkeypatch.setattr("trtbench.host.processes.time", clock)
    with pytest.raises(BuildError, match=r"stopped after 2\.00 s, the limit is 1\.00 s.*last words: waiting"):
        run(code, log_path, timeout_s=1.0)
    wait_for_the_end_of(number_in(pid_path))


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_too_much_memory_is_stopped(log_path: Path) -> None:
    code = "import time\nblocks = []\nwhile True:\n  blocks.append(b'x' * 10_000_000)\n  time.sleep(0.01)"
    with pytest.raises(BuildError, match=r"stopped at (\d+) MB of resident memory, the limit is 150 MB"):
        run(code, log_path, memory_limit_bytes=150 * MB)


def test_a_limit_without_a_word(log_path: Path) -> None:
    with pytest.raises(
        BuildError, match=r"the limit is .* \(--timeout-s\) or use a smaller model$"
    ) as caught:
        run("import time; time.sleep(600)", log_path, timeout_s=0.01)
    assert caught.value.code == Code.BUILD_TIME_LIMIT
    with pytest.raises(BuildError, match=r"\(--memory-limit-gb\) or use a smaller batch$") as caught:
        run("import time; time.sleep(600)", log_path, memory_limit_bytes=1)
    assert caught.value.code == Code.BUILD_MEMORY_LIMIT


def test_words_of_ones_own_are_for_a_refusal_alone(log_path: Path) -> None:
    def end(code: str, timeout_s: float = 300.0) -> None:
        command = [sys.executable, "-c", code]
        supervise(command, log_path, timeout_s, None, words=lambda log: f"words of {log.name}")

    with pytest.raises(BuildError, match=r"^words of build.log$"):
        end("raise SystemExit(3)")
    with pytest.raises(BuildError, match=r"^killed by signal 6"):
        end("import os; os.abort()")
    with pytest.raises(BuildError, match=r"^stopped after"):
        end("import time; time.sleep(600)", timeout_s=0.01)


@pytest.mark.parametrize(
    ("stop", "problem"),
    [
        ([sys.executable, "-c", "import time; time.sleep(600)"], "no answer within 100 ms: try it by hand"),
        (["no-such-engine", "kill", "trtbench-0"], "no-such-engine: cannot be started"),
    ],
)
def test_a_failed_stop_is_logged(
    log_path: Path, monkeypatch: pytest.MonkeyPatch, stop: list[str], problem: str
) -> None:
    monkeypatch.setattr("trtbench.host.commands._STOP_TIMEOUT_S", 0.1)
    with pytest.raises(BuildError, match=r"^stopped after"):
        supervise([sys.executable, "-c", "import time; time.sleep(600)"], log_path, 0.05, None, stop)
    assert problem in log_path.read_text()
    assert log_path.read_text().endswith(f"({' '.join(stop)})\n")


def test_progress_is_reported_while_the_command_runs(
    log_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtbench.host.log_tail._INTERVAL_S", 0.0)
    told: list[Step] = []

    def tell(step: Step) -> None:
        told.append(step)
        (tmp_path / str(step.done)).touch()

    code = (
        "import pathlib, time\n"
        "for step in (1, 2):\n"
        "    print(f'[INFO] Progress: {step}/2 Building engine', flush=True)\n"
        f"    while not (pathlib.Path({str(tmp_path)!r}) / str(step)).exists():\n"
        "        time.sleep(0.01)"
    )
    supervise([sys.executable, "-c", code], log_path, 300.0, None, on_step=tell)
    assert told == [Step("build", "Building engine", done, 2) for done in (1, 2)]


def test_gpus_are_numbered_as_nvml_does(log_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    run("import os; print(os.environ['CUDA_DEVICE_ORDER'])", log_path)
    assert log_path.read_text() == "PCI_BUS_ID\n"


def test_memory_below_the_limit_is_fine(log_path: Path) -> None:
    assert run("pass", log_path, memory_limit_bytes=500 * MB).peak_rss_bytes < 500 * MB


def test_an_interrupt_ends_the_command(log_path: Path, tmp_path: Path) -> None:
    pid_path = tmp_path / "pid"
    code = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(pid_path)!r}).write_text(f'{{os.getpid()}}\\n')\n"
        "time.sleep(600)"
    )

    def interrupt() -> None:
        number_in(pid_path)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(code, log_path)
    assert not is_alive(number_in(pid_path))


def test_a_program_dies_with_a_killed_parent(tmp_path: Path) -> None:
    """One that does nothing for it, as trtexec."""
    pid_path = tmp_path / "pid"
    program = ["sh", "-c", f"echo $$ > {pid_path}; exec sleep 600"]
    parent = (
        "import pathlib, sys\n"
        "from trtbench.host.processes import supervise\n"
        f"log_path = pathlib.Path({str(tmp_path / 'build.log')!r})\n"
        f"supervise({program!r}, log_path, 600, None)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        pid = number_in(pid_path)
        process.kill()
    wait_for_the_end_of(pid)


def test_a_process_whose_parent_died_before_it_asked_ends_at_once(tmp_path: Path) -> None:
    """The parent is gone while the child still starts, and the kernel reports deaths to come alone."""
    command = [sys.executable, with_parent.__file__, "true"]
    gone = {**child_environment(), PARENT_PID: "1000000000"}
    assert subprocess.run(command, env=gone, check=False).returncode == -signal.SIGKILL


def test_a_program_that_cannot_be_started_is_named(log_path: Path) -> None:
    with pytest.raises(BuildError, match=r"^/no/trtexec: cannot be started: No such file or directory$"):
        supervise(["/no/trtexec"], log_path, 300.0, None)


def test_a_thread_that_supervises_ends_its_command_when_this_one_is_interrupted(tmp_path: Path) -> None:
    log_path = tmp_path / "log"
    command = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    with suppress(KeyboardInterrupt), supervising_thread() as thread:
        first = thread.submit(supervise, command, log_path, 600.0, None)
        second = thread.submit(supervise, command, tmp_path / "never", 600.0, None)
        number_in(log_path)
        raise KeyboardInterrupt
    assert first.exception().code == Code.BUILD_KILLED
    assert (second.cancelled(), (tmp_path / "never").exists()) == (True, False)
    assert not is_alive(int(log_path.read_text()))
    supervise([sys.executable, "-c", ""], log_path, 600.0, None)  # this thread is not affected
    with supervising_thread() as thread:  # nor is the next one
        thread.submit(supervise, [sys.executable, "-c", ""], log_path, 600.0, None).result()
