"""Queries on a CPU: memory of this process, and the host's clock around each query."""

import ctypes
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from trtbench.errors import Code, MeasureError
from trtbench.measure.device import Graph, Query
from trtbench.results import Series
from trtbench.runtimes import Runtime, Tensor
from trtbench.specs import ArmSpec

_ALIGNMENT = 64


class HostDevice:
    """A CPU. It has no stream, no graphs, and no L2 cache that could be flushed."""

    main_series: Series = "host_wall_ms"
    stream = 0
    l2_bytes: int | None = None

    def __init__(self) -> None:
        self._memory: list[npt.NDArray[np.uint8]] = []

    def __enter__(self) -> "HostDevice":
        return self

    def __exit__(self, *exception: object) -> None:
        self._memory.clear()

    def now_ms(self) -> float:
        """The host's clock."""
        return 1e3 * time.perf_counter()

    def allocate(self, nbytes: int) -> int:
        """Memory of this process, aligned as vector instructions like it."""
        try:
            memory = np.empty(nbytes + _ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise MeasureError(f"out of memory: {nbytes} bytes for an input or output") from error
        self._memory.append(memory)
        return -(-memory.ctypes.data // _ALIGNMENT) * _ALIGNMENT

    def upload(self, tensor: Tensor, values: npt.NDArray[Any]) -> None:
        """Copy."""
        ctypes.memmove(tensor.pointer, np.ascontiguousarray(values).ctypes.data, tensor.nbytes)

    def download(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Copy."""
        values = np.empty(tensor.record.shape, np.dtype(tensor.record.dtype))
        ctypes.memmove(values.ctypes.data, tensor.pointer, tensor.nbytes)
        return values

    def fill(self, tensor: Tensor, byte: int) -> None:
        """Set every byte."""
        ctypes.memset(tensor.pointer, byte, tensor.nbytes)

    def free_bytes(self) -> int | None:
        """Not counted: other processes' demands move it."""
        return None

    def finish(self) -> None:
        """Queries have ended when they return."""

    def late_work_ms(self) -> float:
        """None: see ``finish``."""
        return 0.0

    def flush_l2(self) -> None:
        """There is no such thing here.

        Raises:
            MeasureError: always.
        """
        raise MeasureError("the L2 cache of a CPU cannot be flushed: measure with l2 warm")

    def capture(self, runtime: Runtime) -> Graph:
        """There is no such thing here.

        Raises:
            MeasureError: always.
        """
        raise MeasureError("a CPU has no CUDA graphs", code=Code.GRAPH_CAPTURE_FAILED)

    def time_queries(self, queries: Iterator[Query], count: int) -> list[float]:
        """``host_wall_ms`` of each query."""
        times_ms = []
        for query in islice(queries, count):
            start_s = time.perf_counter()
            query.start()
            times_ms.append(1e3 * (time.perf_counter() - start_s))
        return times_ms

    def time_single(self, query: Query) -> dict[Series, float]:
        """Nothing that ``time_queries`` does not give."""
        return {}

    def time_copies(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[Series, float]:
        """Nothing is copied."""
        return {}


def open_device(arm: ArmSpec, process: int) -> HostDevice:
    """Open the CPU."""
    return HostDevice()
