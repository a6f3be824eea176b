"""The calls of the CUDA runtime that timing needs, through cuda-bindings.

Every function raises MeasureError with CUDA's name of the error and what it means. Importing this module
needs cuda-bindings; calling it needs a driver.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from trtbench.errors import Code, MeasureError
from trtbench.units import format_bytes

# Imported by name, as type checkers know nothing of it.
_cudart: Any = import_module("cuda.bindings.runtime")

Stream = Any
Event = Any
GraphExec = Any

_MEANINGS = {
    "cudaErrorMemoryAllocation": "out of GPU memory: use a smaller batch, or fewer arms at a time",
    "cudaErrorNoDevice": "there is no CUDA GPU",
    "cudaErrorInsufficientDriver": "there is no NVIDIA driver, or it is older than this CUDA",
    "cudaErrorDevicesUnavailable": "the GPU is busy, or in exclusive use by another process",
    "cudaErrorIllegalAddress": "a kernel read or wrote outside of its memory: this process lost the GPU",
    "cudaErrorLaunchFailure": "a kernel crashed: this process lost the GPU",
    "cudaErrorLaunchTimeout": "a kernel ran for too long and was stopped: this process lost the GPU",
    "cudaErrorECCUncorrectable": "the GPU's memory is damaged: this process lost the GPU",
    "cudaErrorNoKernelImageForDevice": "no kernel in it was compiled for this GPU",
    "cudaErrorStreamCaptureUnsupported": "the runtime does what a CUDA graph cannot hold",
    "cudaErrorStreamCaptureInvalidated": "the runtime did what a CUDA graph cannot hold",
    "cudaErrorStreamCaptureUnjoined": "the runtime left work on another stream that nothing waits for",
}
_CODES = {"cudaErrorMemoryAllocation": Code.GPU_OUT_OF_MEMORY}


def create_stream() -> Stream:
    """Make a stream that does not wait for the default stream."""
    return _check("cudaStreamCreate", _cudart.cudaStreamCreateWithFlags(_cudart.cudaStreamNonBlocking))


def destroy_stream(stream: Stream) -> None:
    """Give a stream back."""
    _check("cudaStreamDestroy", _cudart.cudaStreamDestroy(stream))


def synchronize_stream(stream: Stream) -> None:
    """Wait until all work on a stream is done."""
    _check("cudaStreamSynchronize", _cudart.cudaStreamSynchronize(stream))


def synchronize_device() -> None:
    """Wait until all work of this process is done."""
    _check("cudaDeviceSynchronize", _cudart.cudaDeviceSynchronize())


def create_event() -> Event:
    """Make an event that records the time."""
    return _check("cudaEventCreate", _cudart.cudaEventCreate())


def destroy_event(event: Event) -> None:
    """Give an event back."""
    _check("cudaEventDestroy", _cudart.cudaEventDestroy(event))


def record(event: Event, stream: Stream) -> None:
    """Have the event record the time when the stream gets there."""
    _check("cudaEventRecord", _cudart.cudaEventRecord(event, stream))


def elapsed_ms(start: Event, stop: Event) -> float:
    """Milliseconds between two recorded events."""
    return float(_check("cudaEventElapsedTime", _cudart.cudaEventElapsedTime(start, stop)))


def malloc(nbytes: int) -> int:
    """Address of new GPU memory (plain, never managed)."""
    return int(_check(f"cudaMalloc of {format_bytes(nbytes)}", _cudart.cudaMalloc(nbytes)))


def free(pointer: int) -> None:
    """Give GPU memory back."""
    _check("cudaFree", _cudart.cudaFree(pointer))


def malloc_pinned(nbytes: int) -> int:
    """Address of new page-locked memory of the host."""
    return int(_check(f"cudaMallocHost of {format_bytes(nbytes)}", _cudart.cudaMallocHost(nbytes)))


def free_pinned(pointer: int) -> None:
    """Give page-locked memory back."""
    _check("cudaFreeHost", _cudart.cudaFreeHost(pointer))


def copy_to_device(pointer: int, source: int, nbytes: int, stream: Stream) -> None:
    """Enqueue a copy from the host."""
    kind = _cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
    _check("cudaMemcpyAsync", _cudart.cudaMemcpyAsync(pointer, source, nbytes, kind, stream))


def copy_to_host(pointer: int, source: int, nbytes: int, stream: Stream) -> None:
    """Enqueue a copy to the host."""
    kind = _cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
    _check("cudaMemcpyAsync", _cudart.cudaMemcpyAsync(pointer, source, nbytes, kind, stream))


def memset(pointer: int, byte: int, nbytes: int, stream: Stream) -> None:
    """Enqueue the filling of GPU memory with a byte."""
    _check("cudaMemsetAsync", _cudart.cudaMemsetAsync(pointer, byte, nbytes, stream))


def free_bytes() -> int:
    """GPU memory that is free, with all processes counted."""
    return int(_check("cudaMemGetInfo", _cudart.cudaMemGetInfo())[0])


def l2_cache_bytes() -> int:
    """Size of the L2 cache of the current GPU."""
    device = _check("cudaGetDevice", _cudart.cudaGetDevice())
    attribute = _cudart.cudaDeviceAttr.cudaDevAttrL2CacheSize
    return int(_check("cudaDeviceGetAttribute", _cudart.cudaDeviceGetAttribute(attribute, device)))


class CapturedGraph:
    """A graph that was captured, ready to be launched; ``kernels`` counts its kernel nodes."""

    def __init__(self, graph: Any) -> None:
        self.kernels = _count_kernels(graph)
        self._graph = graph
        self._executable = _check("cudaGraphInstantiate", _cudart.cudaGraphInstantiate(graph, 0))

    def launch(self, stream: Stream) -> None:
        """Enqueue the whole graph."""
        _check("cudaGraphLaunch", _cudart.cudaGraphLaunch(self._executable, stream))

    def destroy(self) -> None:
        """Give it back."""
        _check("cudaGraphExecDestroy", _cudart.cudaGraphExecDestroy(self._executable))
        _check("cudaGraphDestroy", _cudart.cudaGraphDestroy(self._graph))


def capture(stream: Stream, enqueue: Callable[[], None]) -> CapturedGraph:
    """Capture what ``enqueue`` puts on the stream.

    Raises:
        MeasureError: CUDA refuses; whatever ``enqueue`` raises is let through, and the capture ended.
    """
    # Relaxed: what other libraries do in the meantime, such as allocate, is their business.
    mode = _cudart.cudaStreamCaptureMode.cudaStreamCaptureModeRelaxed
    _check("cudaStreamBeginCapture", _cudart.cudaStreamBeginCapture(stream, mode))
    try:
        enqueue()
    except BaseException:
        # The stream is of no use while it captures; this fails, too, and the first error is the reason.
        _cudart.cudaStreamEndCapture(stream)
        raise
    return CapturedGraph(_check("cudaStreamEndCapture", _cudart.cudaStreamEndCapture(stream)))


def _count_kernels(graph: Any) -> int:
    """Count kernel nodes of a graph and of the graphs within it."""
    _, count = _check("cudaGraphGetNodes", _cudart.cudaGraphGetNodes(graph))
    nodes = _check("cudaGraphGetNodes", _cudart.cudaGraphGetNodes(graph, count))[0] if count else []
    return sum(_kernels_of(node) for node in nodes)


def _kernels_of(node: Any) -> int:
    kind = _check("cudaGraphNodeGetType", _cudart.cudaGraphNodeGetType(node))
    if kind == _cudart.cudaGraphNodeType.cudaGraphNodeTypeGraph:
        child = _check("cudaGraphChildGraphNodeGetGraph", _cudart.cudaGraphChildGraphNodeGetGraph(node))
        return _count_kernels(child)
    return int(kind == _cudart.cudaGraphNodeType.cudaGraphNodeTypeKernel)


def _check(call: str, result: tuple[Any, ...]) -> Any:
    """Give what a call returned besides its error code.

    Raises:
        MeasureError: the code is not success.
    """
    code, *values = result
    if code != _cudart.cudaError_t.cudaSuccess:
        name = _text(_cudart.cudaGetErrorName(code))
        meaning = _MEANINGS.get(name) or _text(_cudart.cudaGetErrorString(code))
        raise MeasureError(f"{meaning} ({name} in {call})", code=_CODES.get(name))
    return values[0] if len(values) == 1 else tuple(values)


def _text(answer: tuple[Any, bytes]) -> str:
    return answer[1].decode()
