"""One arm in one process: ``python -m trtbench.measure.worker``, which reads requests and writes replies.

It imports what its runtime needs and no more, and dies with the process that started it.
"""

import faulthandler
import json
import os
import sys
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO, get_args

import trtbench
from trtbench.errors import MeasureError, TrtbenchError
from trtbench.host.with_parent import PARENT_PID, die_with_parent
from trtbench.measure.device import open_device
from trtbench.measure.loop import Load, TimedArm, prepare
from trtbench.measure.messages import REPLY_MARK, Job, Reply, Request
from trtbench.measure.overhead import empty_query_ms
from trtbench.runtimes import open_runtime

_STDIN, _STDOUT, _STDERR = range(3)


def main() -> int:
    """Answer requests until there are no more, or one fails."""
    die_with_parent(int(os.environ.get(PARENT_PID, os.getppid())))
    # A crash in a compiled library then leaves its stack in the log.
    faulthandler.enable()
    requests_fd, replies_fd = _take_standard_streams()
    with os.fdopen(requests_fd) as requests, os.fdopen(replies_fd, "w") as replies, ExitStack() as stack:
        try:
            _serve(requests, replies, stack)
        except Exception as error:
            traceback.print_exc()
            _answer(replies, _failed(error))
            return 1
    return 0


def _take_standard_streams() -> tuple[int, int]:
    """Keep input and output for messages: libraries read nothing, and print to where errors go.

    What the runtime starts does not inherit the copies, and so cannot hold our pipes open.
    """
    requests_fd, replies_fd = os.dup(_STDIN), os.dup(_STDOUT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    os.dup2(_STDERR, _STDOUT)
    return requests_fd, replies_fd


def _serve(requests: TextIO, replies: TextIO, stack: ExitStack) -> None:
    arm = load(_read_job(requests.readline()), stack)
    _answer(replies, Reply(facts=arm.facts))
    for line in requests:
        _answer(replies, _carry_out(line.strip(), arm))


def _carry_out(request: str, arm: TimedArm) -> Reply:
    if request not in get_args(Request):
        raise MeasureError(f"request {request!r} is unknown: is the worker's trtbench another version?")
    return Reply(samples=getattr(arm, request)())


def _read_job(line: str) -> Job:
    """Look at the version first: the job of another one need not be readable.

    Raises:
        MeasureError: it is another trtbench that asks.
    """
    version = json.loads(line).get("trtbench_version", "one before 0.1")
    if version != trtbench.__version__:
        raise MeasureError(
            f"the worker has trtbench {trtbench.__version__}, and what measures is {version}: install the "
            "same version in both"
        )
    return Job.model_validate_json(line)


def load(job: Job, stack: ExitStack) -> TimedArm:
    """Open device and runtime, to be closed by ``stack``, and make the arm ready.

    Raises:
        RuntimeUnavailable: a package or a device is missing.
        MeasureError: the arm cannot be loaded, or failed a check.
    """
    device = stack.enter_context(open_device(job.arm, job.process))
    free_bytes = device.free_bytes()
    started_s = time.perf_counter()
    runtime = stack.enter_context(open_runtime(job.arm, device.stream, job.bench.cuda_graph))
    duration_s = time.perf_counter() - started_s
    empty_ms = empty_query_ms(device, runtime, job.bench)
    trace_path = None if job.trace_path is None else Path(job.trace_path)
    return prepare(device, runtime, job.bench, Load(duration_s, free_bytes, empty_ms), trace_path)


def _answer(replies: TextIO, reply: Reply) -> None:
    replies.write(f"{REPLY_MARK}{reply.model_dump_json()}\n")
    replies.flush()


def _failed(error: Exception) -> Reply:
    text = " ".join(str(error).split())
    if isinstance(error, TrtbenchError):
        return Reply(error=text, code=error.code)
    return Reply(error=f"{type(error).__name__}: {text}")


if __name__ == "__main__":
    sys.exit(main())
