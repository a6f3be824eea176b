"""Pieces of work side by side, each worker a process: torch and the compilers keep one core busy each."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context

from trtbench.errors import BuildError, Code
from trtbench.host.memory import available_bytes
from trtbench.host.with_parent import die_with_parent
from trtbench.progress import OnStep, Step
from trtbench.results import TuneLine
from trtbench.tune.work import Task, run_task

_WORKER_BYTES = 4_000_000_000
"""What a worker may need: 2.6 GB for ViT-B/16 at batch 64."""
_MOST_WORKERS = 8


class Workers:
    """Worker processes, started when the first piece of work comes, and ended on the way out."""

    def __init__(self) -> None:
        self._count = min(len(os.sched_getaffinity(0)), available_bytes() // _WORKER_BYTES, _MOST_WORKERS)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is None:
            return
        if exception[0] is not None:
            for worker in active_children():
                worker.kill()
        self._pool.shutdown(cancel_futures=True)

    def run(
        self, tasks: Sequence[Task], text: str, on_step: OnStep, on_done: Callable[[TuneLine], None]
    ) -> None:
        """Do all ``tasks``, in any order.

        Args:
            tasks: what is left to do.
            text: what they are for, in a few words.
            on_step: progress callback, with the time left.
            on_done: called with each line as it comes.

        Raises:
            SpecError: the request is wrong for every recipe.
            BuildError: a worker died.
        """
        if not tasks:
            return
        start_s, total = time.monotonic(), len(tasks)
        on_step(Step("build", text, 0, total))
        pool = self._started()
        futures = [pool.submit(run_task, task) for task in tasks]
        for done, future in enumerate(as_completed(futures), start=1):
            try:
                on_done(future.result())
            except BrokenProcessPool as error:
                raise BuildError(
                    f"a worker died with {total - done} of {total} pieces left, probably out of memory: "
                    "free memory and run the same command again to resume",
                    code=Code.BUILD_KILLED,
                ) from error
            left_s = (time.monotonic() - start_s) / done * (total - done)
            on_step(Step("build", text, done, total, left_s=left_s))

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            count = max(1, self._count)
            self._pool = ProcessPoolExecutor(
                count,
                mp_context=get_context("spawn"),
                initializer=prepare_worker,
                initargs=(max(1, len(os.sched_getaffinity(0)) // count), os.getpid()),
            )
        return self._pool


def prepare_worker(threads: int, parent_pid: int) -> None:
    """Set up a worker: Ctrl-C is for the program that started it, with which it ends."""
    die_with_parent(parent_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
