"""What does the pieces of a sweep: processes of this machine, or a Ray cluster (``ray_cluster.py``)."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Literal, Protocol

from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.host.hardware import read_gpus
from trtbench.host.memory import available_bytes
from trtbench.results import NO_GPU, SweepLine
from trtbench.specs import SweepPlan
from trtbench.store.artifacts import Store
from trtbench.sweep.work import Task, Work, ignore, run_task, times_anything
from trtbench.tune.workers import prepare_worker

_FIXED_BYTES, _BYTES_PER_PARAMETER = 2_000_000_000, 16
"""Memory of a worker: its modules, and a model with its copies."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a task ended; ``lost``: why its worker ended before it; then there are no lines."""

    task: Task
    lines: Sequence[SweepLine]
    duration_s: float
    lost: str | None = None


class Executor(Protocol):
    """Runs tasks side by side; a context manager that ends what still runs."""

    workers: int
    """Tasks without a GPU that run at once."""
    gpus: int
    """GPUs, each of which one task has to itself."""

    def __enter__(self) -> "Executor":
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
        ...

    def why_not_timed(self, gpu: str | None) -> str | None:
        """Why no GPU of this type (None: of any type) is there; None if one is."""
        ...

    def has_room(self, task: Task) -> bool:
        """Whether the task would be started soon."""
        ...

    def start(self, task: Task) -> None:
        """Take a task on."""
        ...

    def next_outcome(self) -> Outcome:
        """Wait until any task that was started ends."""
        ...


class LocalProcesses:
    """Worker processes of this machine, each of which is replaced when it dies.

    A worker with a GPU sees no other one. Tasks that only need to be alone have one worker where there is no
    GPU.
    """

    def __init__(self, workers: int, store: Store, work: Work = run_task) -> None:
        self.workers, self._store = workers, store
        devices = visible_devices()
        self.gpus = len(devices)
        threads = max(1, len(os.sched_getaffinity(0)) // workers)
        self._idle = {
            "make": [_Worker(work, threads, None) for _ in range(workers)],
            "time": [_Worker(work, threads, device) for device in devices or (None,)],
        }
        self._running: dict[Future[list[SweepLine]], tuple[Task, _Worker, float]] = {}

    def __enter__(self) -> "LocalProcesses":
        return self

    def __exit__(self, *exception: object) -> None:
        busy = [worker for _, worker, _ in self._running.values()]
        for worker in (*self._idle["make"], *self._idle["time"], *busy):
            worker.end()

    def why_not_timed(self, gpu: str | None) -> str | None:
        """Whether there is a GPU; whether an engine runs on it is known once the engine is."""
        return None if self.gpus else NO_GPU

    def has_room(self, task: Task) -> bool:
        """Whether a worker for such tasks is idle; without a GPU, times wait until nothing else runs."""
        must_wait = task.phase == "time" and not self.gpus and bool(self._running)
        return bool(self._idle[task.phase]) and not must_wait

    def start(self, task: Task) -> None:
        """Give the task to an idle worker."""
        worker = self._idle[task.phase].pop(0)
        self._running[worker.submit(task, self._store)] = (task, worker, time.monotonic())

    def next_outcome(self) -> Outcome:
        """Wait for the first worker that ends its task, or dies."""
        ended, _ = wait(self._running, return_when=FIRST_COMPLETED)
        future = ended.pop()
        task, worker, start_s = self._running.pop(future)
        self._idle[task.phase].insert(0, worker)  # the one that has the modules loaded comes first
        duration_s = time.monotonic() - start_s
        try:
            return Outcome(task, future.result(), duration_s)
        except BrokenProcessPool:
            worker.end()
            return Outcome(task, (), duration_s, "its process died, probably out of memory")


class _Worker:
    """One process, started with its first task, and again after it died."""

    def __init__(self, work: Work, threads: int, device: str | None) -> None:
        self._work, self._threads, self._device = work, threads, device
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, task: Task, store: Store) -> "Future[list[SweepLine]]":
        if self._pool is None:
            arguments = (self._threads, os.getpid(), self._device)
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=arguments)
        return self._pool.submit(self._work, task, store, ignore)

    def end(self) -> None:
        """Kill the process."""
        if self._pool is None:
            return
        for process in list((self._pool._processes or {}).values()):
            with suppress(OSError):
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None


def _prepare(threads: int, parent_pid: int, device: str | None) -> None:
    prepare_worker(threads, parent_pid)
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device


def visible_devices() -> list[str]:
    """The GPUs of this machine as ``CUDA_VISIBLE_DEVICES`` names them, but for those that it hides."""
    try:
        count = len(read_gpus())
    except RuntimeUnavailable:
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [str(number) for number in range(count)]
    return [name for each in named.split(",") if (name := each.strip())]


def executor_for(
    plan: SweepPlan,
    store: Store,
    kind: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    artifacts: str | None = None,
) -> Callable[[], Executor]:
    """What starts the workers of a sweep.

    Args:
        plan: what they work on.
        store: where artifacts are kept.
        kind: processes of this machine, or a Ray cluster.
        workers: tasks without a GPU at once; None: what cores and memory allow. A cluster has its own.
        address: of the cluster; None: start one here.
        artifacts: where workers exchange artifacts; see ``Shelf``.

    Raises:
        SpecError: a number is wrong, or an argument has no effect.
        RuntimeUnavailable: Ray is not installed.
    """
    if workers is not None and workers < 1:
        raise SpecError(f"--workers {workers}: expected at least 1")
    if kind == "local":
        for option, value in (("--address", address), ("--artifacts", artifacts)):
            if value is not None:
                raise SpecError(f"{option} has no effect with --executor local; remove it, or use ray")
        count = workers or default_workers(plan)
        return lambda: LocalProcesses(count, store)
    if address is not None and workers is not None:
        raise SpecError(f"--workers has no effect with --address {address}, whose nodes have workers")
    from trtbench.sweep.ray_cluster import RayCluster, check_ray

    check_ray()
    return lambda: RayCluster(store, address, workers, artifacts, times_anything(plan))


def default_workers(plan: SweepPlan) -> int:
    """As many as there are cores, and as the largest model leaves memory for."""
    largest = max(cell.sizes.parameters(cell.image) for cell in plan.cells())
    need_bytes = _FIXED_BYTES + _BYTES_PER_PARAMETER * largest
    return max(1, min(len(os.sched_getaffinity(0)), available_bytes() // need_bytes))
