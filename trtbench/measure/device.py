"""Where queries run, as the measuring side sees it: memory, time, graphs. One file a kind of device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

import numpy.typing as npt

from trtbench.host.installation import needing
from trtbench.results import Series
from trtbench.runtimes import Runtime, Tensor, runtime_entry
from trtbench.specs import ArmSpec

_DEVICES = {
    "cuda": "trtbench.measure.cuda_device",
    "cpu": "trtbench.measure.host_device",
    "script": "trtbench.measure.scripted_device",
}


@dataclass(frozen=True)
class Query:
    """One query: ``before`` prepares it, untimed; ``start`` enqueues it (on a CPU it runs to its end)."""

    start: Callable[[], None]
    before: Callable[[], None] | None = None


@dataclass(frozen=True)
class Graph:
    """A captured CUDA graph: how many kernels it holds, and what launches it."""

    kernels: int
    launch: Callable[[], None]


class Device(Protocol):
    """A device that one arm runs on; a context manager that frees what was allocated.

    ``main_series`` is what ``time_queries`` gives; ``stream`` an address, 0 on a CPU; ``l2_bytes`` the size
    of the L2 cache where it can be flushed.
    """

    main_series: Series
    stream: int
    l2_bytes: int | None

    def __enter__(self) -> "Device":
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Free what was allocated."""
        ...

    def now_ms(self) -> float:
        """The clock that blocks are counted by."""
        ...

    def allocate(self, nbytes: int) -> int:
        """Address of new memory; MeasureError if there is none left."""
        ...

    def upload(self, tensor: Tensor, values: npt.NDArray[Any]) -> None:
        """Copy values to the device and wait."""
        ...

    def download(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Wait for the stream and copy values from the device."""
        ...

    def fill(self, tensor: Tensor, byte: int) -> None:
        """Set every byte, and wait."""
        ...

    def free_bytes(self) -> int | None:
        """Free memory of the GPU; None on a CPU."""
        ...

    def finish(self) -> None:
        """Wait for the stream."""
        ...

    def late_work_ms(self) -> float:
        """How long the device works on after the stream is done: nothing, if all work is on the stream."""
        ...

    def flush_l2(self) -> None:
        """Enqueue what pushes everything out of the L2 cache."""
        ...

    def capture(self, runtime: Runtime) -> Graph:
        """Capture one query as a graph.

        Raises:
            MeasureError: the capture failed, with the code GRAPH_CAPTURE_FAILED.
        """
        ...

    def time_queries(self, queries: Iterator[Query], count: int) -> list[float]:
        """Run ``count`` queries, one by one, queued ahead where that can be: ``main_series``, in ms."""
        ...

    def time_single(self, query: Query) -> dict[Series, float]:
        """Run one query and wait for it: what ``time_queries`` cannot see, in ms; empty on a CPU."""
        ...

    def time_copies(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[Series, float]:
        """Copy inputs to the device, then outputs back, in ms; empty on a CPU."""
        ...


def open_device(arm: ArmSpec, process: int) -> Device:
    """Open the device that an arm's runtime runs on; ``process`` counts the processes of the arm.

    Raises:
        RuntimeUnavailable: a package or the GPU is missing.
    """
    kind = runtime_entry(arm.runtime).device
    with needing("cuda-bindings, which times a GPU,", "gpu"):
        module = import_module(_DEVICES[kind])
    return cast(Device, module.open_device(arm, process))
