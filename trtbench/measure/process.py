"""The parent's side of a worker: one arm in one process. Imports no CUDA."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from trtbench.build.log_reader import last_words
from trtbench.errors import MeasureError
from trtbench.measure.messages import Job, Reply, Samples
from trtbench.results import ArmFacts
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.units import format_seconds

PREPARE_TIMEOUT_S = 1800.0
"""Compiling a model, as torch.compile and TensorRT-RTX do at load, may take minutes."""

_BLOCK_GRACE_S = 300.0
_BLOCK_FACTOR = 20.0
_POLL_S = 0.5
_CLOSE_S = 10.0
_READ_BYTES = 1 << 16


class ArmProcess:
    """One arm in a process of its own; a context manager: entering starts it, leaving ends it.

    Leaving asks the worker to end, and kills its whole process group if it does not. The kernel kills it when
    the thread that started it dies, so start it from one that lives as long as the measurement does.

    Args:
        arm: what is timed.
        bench: how.
        log_path: file that everything the worker and its libraries print is appended to.
        python: command of the interpreter; another one needs trtbench of the same version.
        process: counts the processes of this arm; scripted arms differ by it.
        prepare_timeout_s: after that long a worker that is still loading is given up.
        block_timeout_s: the same for one block; by default far more than ``bench.block_ms``.
    """

    def __init__(
        self,
        arm: ArmSpec,
        bench: BenchSpec,
        log_path: Path,
        python: Sequence[str] = (sys.executable,),
        process: int = 0,
        prepare_timeout_s: float = PREPARE_TIMEOUT_S,
        block_timeout_s: float | None = None,
    ) -> None:
        self._job = Job(arm=arm, bench=bench, process=process)
        self._log_path = log_path
        self._python = tuple(python)
        self._prepare_timeout_s = prepare_timeout_s
        default_block_s = _BLOCK_GRACE_S + _BLOCK_FACTOR * bench.block_ms / 1e3
        self._block_timeout_s = default_block_s if block_timeout_s is None else block_timeout_s
        self._buffer = b""

    def __enter__(self) -> "ArmProcess":
        """Start the worker.

        Raises:
            MeasureError: there is no such interpreter.
        """
        worker_reads, self._requests = os.pipe()
        self._replies, worker_writes = os.pipe()
        command = (*self._python, "-m", "trtbench.measure.worker", str(worker_reads), str(worker_writes))
        try:
            with self._log_path.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(worker_reads, worker_writes),
                    start_new_session=True,
                    env=_environment(),
                )
        except OSError as error:
            self._close_pipes()
            raise MeasureError(f"cannot start {command[0]}: {error.strerror}") from error
        finally:
            os.close(worker_reads)
            os.close(worker_writes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the worker and all that it started, politely unless something failed."""
        self._end(_CLOSE_S if kind is None else 0.0)

    @property
    def pid(self) -> int:
        """The worker's process id, as this machine counts."""
        return self._child.pid

    def prepare(self) -> ArmFacts:
        """Load the arm, check it, warm it up to a steady state, and prove its CUDA graph.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        reply = self._ask(self._job.model_dump_json(), self._prepare_timeout_s)
        if reply.facts is None:
            raise MeasureError("the worker gave no facts about the arm: is its trtbench another version?")
        return reply.facts

    def block(self) -> Samples:
        """Run one block of ``bench.block_ms`` and give the raw samples of every series, in ms.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        reply = self._ask("block", self._block_timeout_s)
        if reply.samples is None:
            raise MeasureError("the worker gave no samples of a block: is its trtbench another version?")
        return reply.samples

    def _ask(self, line: str, timeout_s: float) -> Reply:
        if self._child.returncode is not None:
            raise MeasureError(f"the worker has ended already: see {self._log_path}")
        self._send(line)
        reply = Reply.model_validate_json(self._receive(timeout_s))
        if reply.error is not None:
            self._end(_CLOSE_S)
            raise MeasureError(reply.error)
        return reply

    def _send(self, line: str) -> None:
        try:
            os.write(self._requests, f"{line}\n".encode())
        except BrokenPipeError as error:
            raise MeasureError(self._how_it_ended()) from error

    def _receive(self, timeout_s: float) -> bytes:
        """Wait for one line; a worker that ends, or says nothing for ``timeout_s``, is an error."""
        deadline_s = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._replies, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._buffer:
            ended = self._has_exited()
            if poll.poll(0 if ended else 1e3 * _POLL_S):
                data = os.read(self._replies, _READ_BYTES)
                self._buffer += data
                ended = not data
            # Its children may hold the pipe open after it: then no end of file tells of its death.
            if ended and b"\n" not in self._buffer:
                raise MeasureError(self._how_it_ended())
            if time.monotonic() > deadline_s:
                self._end(0.0)
                raise MeasureError(
                    f"no answer in {format_seconds(timeout_s)}, so the worker was killed: "
                    f"see {self._log_path}; last words: {_quoted(self._log_path)}"
                )
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        """Tell in words why the worker is gone."""
        self._end(_CLOSE_S)
        return _describe_exit(self._child.returncode, self._log_path)

    def _has_exited(self) -> bool:
        """Whether the worker is dead, without reaping it: its process group must keep its number."""
        state = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return state is not None

    def _end(self, patience_s: float) -> None:
        """Close the pipes, wait that long for the worker to end by itself, then kill its process group."""
        if self._child.returncode is not None:
            return
        self._close_pipes()
        deadline_s = time.monotonic() + patience_s
        while not self._has_exited() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def _close_pipes(self) -> None:
        os.close(self._requests)
        os.close(self._replies)


def _environment() -> dict[str, str]:
    """Number GPUs as NVML does, so that CUDA's first device is the one that telemetry is read from."""
    return {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _describe_exit(returncode: int, log_path: Path) -> str:
    words = _quoted(log_path)
    if returncode >= 0:
        return f"the worker ended with exit code {returncode}: see {log_path}; last words: {words}"
    name = signal.Signals(-returncode).name
    hint = " (probably out of memory: take fewer arms)" if -returncode == signal.SIGKILL else ""
    return f"killed by signal {-returncode}, {name}{hint}: see {log_path}; last words: {words}"


def _quoted(log_path: Path) -> str:
    return last_words(log_path) or "none"
