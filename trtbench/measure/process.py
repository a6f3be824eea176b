"""The parent's side of a worker: one arm in one process. Imports no CUDA."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from trtbench.environments.container_errors import trouble_in_log
from trtbench.environments.prepared import Container
from trtbench.errors import Code, MeasureError, RuntimeUnavailable
from trtbench.host.commands import run_command, run_to_stop
from trtbench.host.last_words import clause_of_last_words
from trtbench.host.processes import child_environment
from trtbench.host.signals import signal_name
from trtbench.measure.messages import REPLY_MARK, Job, Reply, Request, Samples
from trtbench.results import ArmFacts
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.units import format_seconds

WORKER = ("-m", "trtbench.measure.worker")
"""What makes a Python a worker."""

PREPARE_TIMEOUT_S = 1800.0
"""Compiling a model, as torch.compile and TensorRT-RTX do at load, may take minutes."""

_BLOCK_GRACE_S = 300.0
_BLOCK_FACTOR = 20.0
_POLL_S = 0.5
_CLOSE_S = 10.0
_TELL_PID_TIMEOUT_S = 30.0
_READ_BYTES = 1 << 16
_QUOTED = 200


class ArmProcess:
    """One arm in a process of its own; a context manager: entering starts it, leaving ends it.

    Leaving asks the worker to end, and kills its whole process group and its container if it does not. The
    kernel kills it when the thread that started it dies, so start it from one that lives as long as the
    measurement does.

    Args:
        arm: what is timed.
        bench: how.
        log_path: file that everything the worker and its libraries print is appended to.
        python: command of the interpreter; another one needs trtbench of the same version.
        process: counts the processes of this arm; scripted arms differ by it.
        container: the one that ``python`` starts, if it starts one.
        trace_path: where it writes a trace, if one is asked for.
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
        container: Container | None = None,
        trace_path: Path | None = None,
        prepare_timeout_s: float = PREPARE_TIMEOUT_S,
        block_timeout_s: float | None = None,
    ) -> None:
        trace = None if trace_path is None else str(trace_path.absolute())
        self._job = Job(arm=arm, bench=bench, process=process, trace_path=trace)
        self._log_path = log_path
        self._python = tuple(python)
        self._container = container
        self._prepare_timeout_s = prepare_timeout_s
        default_block_s = _BLOCK_GRACE_S + _BLOCK_FACTOR * bench.block_ms / 1e3
        self._block_timeout_s = default_block_s if block_timeout_s is None else block_timeout_s
        self._buffer = b""

    def __enter__(self) -> "ArmProcess":
        """Start the worker.

        Raises:
            MeasureError: there is no such interpreter.
        """
        command = (*self._python, *WORKER)
        try:
            with self._log_path.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                    env=child_environment(),
                )
        except OSError as error:
            raise MeasureError(f"cannot start {command[0]}: {error.strerror}") from error
        self._pid = self._child.pid
        return self

    def __exit__(self, *exception: object) -> None:
        """End the worker and all that it started, politely unless something failed."""
        self._end(0.0 if any(exception) else _CLOSE_S)

    @property
    def pid(self) -> int:
        """The worker's process id, as this machine counts; in a container it is known once it is prepared."""
        return self._pid

    def prepare(self) -> ArmFacts:
        """Load the arm, check it, warm it up to a steady state, and prove its CUDA graph.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        reply = self._ask(self._job.model_dump_json(), self._prepare_timeout_s)
        if reply.facts is None:
            raise MeasureError("the worker gave no facts about the arm: is its trtbench another version?")
        if self._container is not None:
            self._pid = _pid_outside(self._container)
        return reply.facts

    def block(self) -> Samples:
        """Run one block of ``bench.block_ms`` and give the raw samples of every series, in ms.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        return self._samples("block")

    def fill_constants(self) -> None:
        """Set all inputs to zeros, and run queries on them untimed until the clock could follow.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        self._request("fill_constants")

    def constant_block(self) -> Samples:
        """Run a shorter block on what ``fill_constants`` left: raw samples of the main series, in ms.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        return self._samples("constant_block")

    def restore_inputs(self) -> None:
        """Bring the images back, and have the worker prove that outputs are theirs again.

        Raises:
            MeasureError: they are not, or the worker ended.
        """
        self._request("restore_inputs")

    def trace(self) -> Samples:
        """Record a few queries, after timing as many without a profiler: these samples, in ms.

        Raises:
            MeasureError: it failed; the text is the worker's own reason, or how the worker ended.
        """
        return self._samples("trace")

    def _samples(self, request: Request) -> Samples:
        reply = self._request(request)
        if reply.samples is None:
            raise MeasureError("the worker gave no samples of a block: is its trtbench another version?")
        return reply.samples

    def _request(self, request: Request) -> Reply:
        return self._ask(request, self._block_timeout_s)

    def _ask(self, line: str, timeout_s: float) -> Reply:
        if self._child.returncode is not None:
            raise MeasureError(f"the worker has ended already: see {self._log_path}")
        self._send(line)
        line_of_reply = self._receive(timeout_s)
        try:
            reply = Reply.model_validate_json(line_of_reply)
        except ValidationError as error:
            self._end(0.0)
            said = line_of_reply.decode(errors="replace").strip()[:_QUOTED]
            raise MeasureError(
                f"the worker said {said!r}, which is not a reply: is its trtbench another version?"
            ) from error
        if reply.error is not None:
            self._end(_CLOSE_S)
            raise MeasureError(reply.error, code=reply.code)
        return reply

    def _send(self, line: str) -> None:
        try:
            _pipe(self._child.stdin).write(f"{line}\n".encode())
        except BrokenPipeError as error:
            raise self._how_it_ended() from error

    def _receive(self, timeout_s: float) -> bytes:
        """Wait for a reply; a worker that ends, or gives none for ``timeout_s``, is an error."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            before, mark, reply = self._read_line(deadline_s, timeout_s).partition(REPLY_MARK.encode())
            if before.strip():
                with self._log_path.open("ab") as log:
                    log.write(before.rstrip() + b"\n")
            if mark:
                return reply

    def _read_line(self, deadline_s: float, timeout_s: float) -> bytes:
        replies = _pipe(self._child.stdout).fileno()
        poll = select.poll()
        poll.register(replies, select.POLLIN | select.POLLHUP)
        while b"\n" not in self._buffer:
            ended = self._has_exited()
            if poll.poll(0 if ended else 1e3 * _POLL_S):
                data = os.read(replies, _READ_BYTES)
                self._buffer += data
                ended = not data
            # Its children may hold the pipe open after it: then its death causes no end of file.
            if ended and b"\n" not in self._buffer:
                raise self._how_it_ended()
            if time.monotonic() > deadline_s:
                self._end(0.0)
                raise MeasureError(
                    f"no answer in {format_seconds(timeout_s)}, so the worker was killed: "
                    f"see {self._log_path}{clause_of_last_words(self._log_path)}",
                    code=Code.MEASURE_TIME_LIMIT,
                )
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _how_it_ended(self) -> MeasureError:
        """Describe why the worker is gone."""
        self._end(_CLOSE_S)
        if self._container is not None:
            trouble = trouble_in_log(self._container, self._log_path)
            if trouble is not None:
                return MeasureError(f"{trouble} (log: {self._log_path})")
        return _failure(self._child.returncode, self._log_path)

    def _has_exited(self) -> bool:
        """Whether the worker is dead, without reaping it: its process group must keep its number."""
        state = os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return state is not None

    def _end(self, patience_s: float) -> None:
        """Close the pipes, wait that long for the worker to end by itself, then kill its process group."""
        if self._child.returncode is not None:
            return
        for pipe in (_pipe(self._child.stdin), _pipe(self._child.stdout)):
            pipe.close()
        deadline_s = time.monotonic() + patience_s
        while not self._has_exited() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        os.killpg(self._child.pid, signal.SIGKILL)
        if self._child.wait() != 0 and self._container is not None:
            # It lives on when what started it is killed.
            run_to_stop(self._container.stop, self._log_path)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise MeasureError("the worker was started without a pipe: this is a bug")
    return pipe


def _pid_outside(container: Container) -> int:
    """Ask what its process is called where NVML counts.

    Raises:
        MeasureError: the container cannot be asked.
    """
    try:
        outcome = run_command(container.tell_pid, _TELL_PID_TIMEOUT_S)
    except RuntimeUnavailable as error:
        raise MeasureError(str(error), code=error.code) from error
    if not outcome.stdout.strip().isdigit():
        raise MeasureError(
            f"{container.engine} does not report the process id of {container.name}, which sets it apart "
            f"from other users of the GPU: {outcome.last_line}"
        )
    return int(outcome.stdout)


def _failure(returncode: int, log_path: Path) -> MeasureError:
    where = f"see {log_path}{clause_of_last_words(log_path)}"
    if returncode >= 0:
        return MeasureError(f"the worker ended with exit code {returncode}: {where}")
    name = signal_name(-returncode)
    hint = (
        " (probably out of memory: use fewer arms, with --aa fewer --processes)"
        if -returncode == signal.SIGKILL
        else ""
    )
    return MeasureError(f"killed by signal {-returncode}, {name}{hint}: {where}", code=Code.MEASURE_KILLED)
