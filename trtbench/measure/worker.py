"""One arm in one process: ``python -m trtbench.measure.worker REQUESTS REPLIES``, two pipes' descriptors.

It imports what its runtime needs and no more, and dies with the process that started it.
"""

import faulthandler
import os
import sys
import time
import traceback
from contextlib import ExitStack
from typing import TextIO

from trtbench.build.child import die_with_parent
from trtbench.errors import TrtbenchError
from trtbench.measure.device import open_device
from trtbench.measure.loop import Load, TimedArm, prepare
from trtbench.measure.messages import Job, Reply
from trtbench.runtimes import open_runtime


def main(requests_fd: int, replies_fd: int) -> int:
    """Answer requests until there are no more, or one fails."""
    die_with_parent()
    # A crash in a compiled library then leaves its stack in the log.
    faulthandler.enable()
    for descriptor in (requests_fd, replies_fd):
        # What the runtime starts must not hold our pipes open.
        os.set_inheritable(descriptor, False)
    with os.fdopen(requests_fd) as requests, os.fdopen(replies_fd, "w") as replies, ExitStack() as stack:
        try:
            _serve(requests, replies, stack)
        except Exception as error:
            traceback.print_exc()
            _answer(replies, Reply(error=_one_line(error)))
            return 1
    return 0


def _serve(requests: TextIO, replies: TextIO, stack: ExitStack) -> None:
    job = Job.model_validate_json(requests.readline())
    arm = load(job, stack)
    _answer(replies, Reply(facts=arm.facts))
    for _ in requests:
        _answer(replies, Reply(samples=arm.block()))


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
    return prepare(device, runtime, job.bench, Load(time.perf_counter() - started_s, free_bytes))


def _answer(replies: TextIO, reply: Reply) -> None:
    replies.write(f"{reply.model_dump_json()}\n")
    replies.flush()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, TrtbenchError) else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
