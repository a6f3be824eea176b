"""Workers of a Ray cluster: what a sweep does on many machines."""

import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from trtbench.errors import RuntimeUnavailable
from trtbench.host.installation import needing
from trtbench.results import SweepLine
from trtbench.store.artifacts import Store
from trtbench.store.shelf import Packed, Shelf
from trtbench.sweep.executors import Outcome
from trtbench.sweep.work import Task, Work, run_task
from trtbench.units import one_line

_AHEAD = 2
"""Tasks that are handed to Ray for each that it can run at once."""
_POLL_S = 5.0
"""How often it is looked whether what tasks wait for is still there."""
_CONNECT_S = 10.0
_SHARED = "store"


def check_ray() -> None:
    """Look for Ray.

    Raises:
        RuntimeUnavailable: it is not installed.
    """
    with needing("ray", "ray"):
        import_module("ray")


def _check_answers(address: str) -> None:
    """Connect once: Ray itself tries an address that nothing listens at for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "://" in address:
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    except OSError as error:
        raise RuntimeUnavailable(
            f"--address {address}: no Ray cluster answers: {error.strerror or error}"
        ) from error


class RayCluster:
    """Tasks on the nodes of a cluster; a lost worker or node is an outcome, and not the end.

    A time takes one GPU; where nodes name their type of GPU as a resource, such as ``h200``, one of the type
    that the cell names. What one task made reaches the next, on another node, by ``artifacts``.
    """

    def __init__(
        self,
        store: Store,
        address: str | None,
        workers: int | None,
        artifacts: str | None,
        is_timed: bool,
        work: Work = run_task,
    ) -> None:
        self._address, self._workers, self._work = address, workers, work
        is_shared = artifacts == _SHARED or address is None
        self._store = Store(store.root.absolute()) if is_shared else None
        self._shelf = None if is_shared or not is_timed else Shelf(artifacts)
        self._running: dict[Any, tuple[Task, float]] = {}
        self._counts = Counter[str]()
        self._bundles: dict[object, Any] = {}

    def __enter__(self) -> "RayCluster":
        # What a lost task had to hand on is lost with it, and no error of its own.
        os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
        self._ray: Any = import_module("ray")
        started = {"num_cpus": self._workers, "include_dashboard": False}
        quiet = {"log_to_driver": False, "logging_level": "error"}
        if self._address is not None:
            _check_answers(self._address)
        try:
            self._ray.init(
                address=self._address or "local", **quiet, **(started if self._address is None else {})
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RuntimeUnavailable(f"--address {self._address}: no Ray cluster answers: {error}") from error
        self._look()
        self._remote = self._ray.remote(_run)
        return self

    def __exit__(self, *exception: object) -> None:
        self._ray.shutdown()

    def _look(self) -> None:
        self._resources: dict[str, float] = self._ray.cluster_resources()
        self.workers, self.gpus = int(self._resources.get("CPU", 0)), int(self._resources.get("GPU", 0))

    def why_not_timed(self, gpu: str | None) -> str | None:
        """Look for a node with a GPU of this type; where no node names types, any will do."""
        if not self.gpus:
            return "no GPU in the cluster"
        is_there = gpu is None or gpu in self._resources or not self._names_types
        return None if is_there else f"no {gpu} in the cluster"

    @property
    def _names_types(self) -> bool:
        from trtbench.predict.gpus import known_gpus

        return bool({each.name for each in known_gpus()} & self._resources.keys())

    def has_room(self, task: Task) -> bool:
        """Whether Ray has few enough tasks of this phase."""
        count = self._counts[task.phase]
        at_once = self.workers if task.phase == "make" else self.gpus
        return count < max(1, _AHEAD * at_once)

    def start(self, task: Task) -> None:
        """Hand the task to Ray with what it needs."""
        remote = self._remote.options(max_retries=0, num_returns=2, **self._needs(task))
        brought = self._bundles.get(task.model)
        lines, bundle = remote.remote(self._work, task, self._store, self._shelf, brought)
        self._running[lines] = (task, time.monotonic())
        self._counts[task.phase] += 1
        if self._shelf is not None and task.phase == "make":
            self._bundles[task.model] = bundle

    def _needs(self, task: Task) -> dict[str, Any]:
        if task.phase == "make" or not self.gpus:
            return {"num_cpus": 1}
        named = {task.gpu: 1} if task.gpu in self._resources else {}
        return {"num_cpus": 0, "num_gpus": 1, "resources": named}

    def next_outcome(self) -> Outcome:
        """Wait for the first task that ends, or whose worker is lost."""
        while True:
            ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_POLL_S)
            if ready:
                return self._outcome(ready[0])
            self._look()
            stranded = next((ref for ref, (task, _) in self._running.items() if not self._has(task)), None)
            if stranded is not None:
                self._ray.cancel(stranded, force=True)
                return self._lost(stranded, "no node is left that could run it")

    def _has(self, task: Task) -> bool:
        """Whether a node is left for a task."""
        return all(
            self._resources.get({"num_cpus": "CPU", "num_gpus": "GPU"}[name], 0) >= count
            for name, count in self._needs(task).items()
            if name != "resources"
        )

    def _outcome(self, ref: Any) -> Outcome:
        try:
            lines: Sequence[SweepLine] = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return self._lost(ref, one_line(str(error).strip().splitlines()[-1]))
        task, start_s = self._ended(ref)
        if task.phase == "time" or all(line.reason is not None for line in lines):
            self._bundles.pop(task.model, None)
        return Outcome(task, lines, time.monotonic() - start_s)

    def _ended(self, ref: Any) -> tuple[Task, float]:
        task, start_s = self._running.pop(ref)
        self._counts[task.phase] -= 1
        return task, start_s

    def _lost(self, ref: Any, reason: str) -> Outcome:
        task, start_s = self._ended(ref)
        self._bundles.pop(task.model, None)  # it may be lost, too; what is missing is made again
        return Outcome(task, (), time.monotonic() - start_s, reason)


def _run(
    work: Work, task: Task, store: Store | None, shelf: Shelf | None, bundle: Sequence[Packed] | None
) -> tuple[list[SweepLine], list[Packed]]:
    """On a worker: bring what is needed, do the task, and hand on what it made."""
    here = store or Store(Path(gettempdir()) / "trtbench-sweep")
    if shelf is not None:
        for packed in bundle or ():
            shelf.unpack(packed, here)
    made: list[Path] = []
    lines = work(task, here, made.append)
    if shelf is None or task.phase == "time":
        return lines, []
    return lines, [shelf.pack(here, folder) for folder in dict.fromkeys(made)]
