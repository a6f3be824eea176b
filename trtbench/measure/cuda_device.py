"""Queries on a GPU: one stream, CUDA events around each query, and CUDA graphs."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trtbench.errors import Code, MeasureError
from trtbench.measure import cuda
from trtbench.measure.device import Graph, Query
from trtbench.results import Series
from trtbench.runtimes import Runtime, Tensor
from trtbench.specs import ArmSpec
from trtbench.units import one_line

_FLUSHED_L2_SIZES = 2


class CudaDevice:
    """The first GPU that CUDA shows."""

    main_series: Series = "gpu_compute_ms"

    def __init__(self) -> None:
        self._stream = cuda.create_stream()
        self.stream = int(self._stream)
        self.l2_bytes: int | None = cuda.l2_cache_bytes()
        self._memory: list[int] = []
        self._pinned: dict[int, int] = {}
        self._events: list[tuple[cuda.Event, cuda.Event]] = []
        self._graphs: list[cuda.CapturedGraph] = []
        self._flush_pointer: int | None = None

    def __enter__(self) -> "CudaDevice":
        return self

    def __exit__(self, *exception: object) -> None:
        cuda.synchronize_device()
        for graph in self._graphs:
            graph.destroy()
        for pair in self._events:
            for event in pair:
                cuda.destroy_event(event)
        for pointer in self._pinned.values():
            cuda.free_pinned(pointer)
        for pointer in self._memory:
            cuda.free(pointer)
        cuda.destroy_stream(self._stream)

    def now_ms(self) -> float:
        """The host's clock."""
        return 1e3 * time.perf_counter()

    def allocate(self, nbytes: int) -> int:
        """GPU memory."""
        self._memory.append(cuda.malloc(nbytes))
        return self._memory[-1]

    def upload(self, tensor: Tensor, values: npt.NDArray[Any]) -> None:
        """Copy from the host and wait."""
        source = np.ascontiguousarray(values)
        cuda.copy_to_device(tensor.pointer, source.ctypes.data, tensor.nbytes, self._stream)
        self.finish()

    def download(self, tensor: Tensor) -> npt.NDArray[Any]:
        """Copy to the host once the stream is done."""
        values = np.empty(tensor.record.shape, np.dtype(tensor.record.dtype))
        cuda.copy_to_host(values.ctypes.data, tensor.pointer, tensor.nbytes, self._stream)
        self.finish()
        return values

    def fill(self, tensor: Tensor, byte: int) -> None:
        """Set every byte and wait."""
        cuda.memset(tensor.pointer, byte, tensor.nbytes, self._stream)
        self.finish()

    def free_bytes(self) -> int | None:
        """Free memory of the GPU."""
        return cuda.free_bytes()

    def finish(self) -> None:
        """Wait for the stream."""
        cuda.synchronize_stream(self._stream)

    def late_work_ms(self) -> float:
        """Wait for the whole GPU, and return how long that took."""
        started_s = time.perf_counter()
        cuda.synchronize_device()
        return 1e3 * (time.perf_counter() - started_s)

    def flush_l2(self) -> None:
        """Enqueue the overwriting of twice as much memory as the cache holds."""
        nbytes = _FLUSHED_L2_SIZES * (self.l2_bytes or 0)
        if self._flush_pointer is None:
            self._flush_pointer = self.allocate(nbytes)
        cuda.memset(self._flush_pointer, 0, nbytes, self._stream)

    def capture(self, runtime: Runtime) -> Graph:
        """Capture one query.

        Raises:
            MeasureError: CUDA or the runtime refuses.
        """
        try:
            with runtime.capturing():
                graph = cuda.capture(self._stream, lambda: runtime.enqueue(self.stream))
        # Runtimes raise what they like while a stream captures.
        except Exception as error:
            raise MeasureError(
                f"{one_line(error)}: measure without graphs (--no-graph)", code=Code.GRAPH_CAPTURE_FAILED
            ) from error
        self._graphs.append(graph)
        return Graph(graph.kernels, lambda: graph.launch(self._stream))

    def time_queries(self, queries: Iterator[Query], count: int) -> list[float]:
        """``gpu_compute_ms`` of each query, all queued behind one that is not timed.

        While that one runs, the host gets ahead: no event has to wait for it.
        """
        _enqueue(next(queries))
        events = self._event_pairs(count)
        for start, stop in events:
            query = next(queries)
            if query.before is not None:
                query.before()
            cuda.record(start, self._stream)
            query.start()
            cuda.record(stop, self._stream)
        self.finish()
        return [cuda.elapsed_ms(start, stop) for start, stop in events]

    def time_single(self, query: Query) -> dict[Series, float]:
        """``enqueue_ms`` and ``host_wall_ms`` of a query with the GPU idle before it.

        With queries queued ahead, enqueueing would take as long as the GPU: CUDA's queue is soon full.
        """
        if query.before is not None:
            query.before()
        self.finish()
        started_s = time.perf_counter()
        query.start()
        enqueued_s = time.perf_counter()
        self.finish()
        ended_s = time.perf_counter()
        return {"enqueue_ms": 1e3 * (enqueued_s - started_s), "host_wall_ms": 1e3 * (ended_s - started_s)}

    def time_copies(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> dict[Series, float]:
        """``h2d_ms`` and ``d2h_ms`` from and to page-locked memory that holds the same values."""
        pinned = {tensor.pointer: self._pinned_copy(tensor) for tensor in (*inputs, *outputs)}
        (start, between), (stop, _) = self._event_pairs(2)
        # Queued behind a copy that is not timed, as queries are behind a query.
        self._copy_to_device(inputs, pinned)
        cuda.record(start, self._stream)
        self._copy_to_device(inputs, pinned)
        cuda.record(between, self._stream)
        for tensor in outputs:
            cuda.copy_to_host(pinned[tensor.pointer], tensor.pointer, tensor.nbytes, self._stream)
        cuda.record(stop, self._stream)
        self.finish()
        return {"h2d_ms": cuda.elapsed_ms(start, between), "d2h_ms": cuda.elapsed_ms(between, stop)}

    def _copy_to_device(self, tensors: Sequence[Tensor], pinned: Mapping[int, int]) -> None:
        for tensor in tensors:
            cuda.copy_to_device(tensor.pointer, pinned[tensor.pointer], tensor.nbytes, self._stream)

    def _pinned_copy(self, tensor: Tensor) -> int:
        """Page-locked memory for a tensor, made and filled when it is first needed."""
        if tensor.pointer not in self._pinned:
            self._pinned[tensor.pointer] = cuda.malloc_pinned(tensor.nbytes)
            cuda.copy_to_host(self._pinned[tensor.pointer], tensor.pointer, tensor.nbytes, self._stream)
            self.finish()
        return self._pinned[tensor.pointer]

    def _event_pairs(self, count: int) -> list[tuple[cuda.Event, cuda.Event]]:
        while len(self._events) < count:
            self._events.append((cuda.create_event(), cuda.create_event()))
        return self._events[:count]


def open_device(arm: ArmSpec, process: int) -> CudaDevice:
    """Open the GPU.

    Raises:
        MeasureError: there is no GPU, or no driver for it.
    """
    return CudaDevice()


def _enqueue(query: Query) -> None:
    if query.before is not None:
        query.before()
    query.start()
