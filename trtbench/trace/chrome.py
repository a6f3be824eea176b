"""Traces of torch.profiler, and others in Chrome's format that name the category of their events.

Events are read one by one: a trace may be larger than the memory. Times are us in the file.
"""

import gzip
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trtbench.errors import ArtifactError, Code
from trtbench.results.trace import Cause
from trtbench.trace.calls import calls_of
from trtbench.trace.json_stream import JsonStream
from trtbench.trace.recording import Copies, Kernels, Names, Ranges, Recording
from trtbench.trace.taxonomy import cause_of_call

_KINDS = {
    "kernel": "kernel",
    "gpu_memcpy": "copy",
    "memcpy": "copy",
    "gpu_memset": "copy",
    "memset": "copy",
    "cuda_runtime": "call",
    "cuda_driver": "call",
    "runtime": "call",
    "cpu_op": "operator",
    "operator": "operator",
    "python_function": "python",
    "user_annotation": "range",
}
"""By the category of an event; older versions of torch begin it with a capital."""
_CAUSES: dict[str, Cause] = {"operator": "operators", "python": "Python"}
_DIRECTIONS = {
    "HtoD": "host to device",
    "DtoH": "device to host",
    "DtoD": "device to device",
    "HtoH": "host to host",
    "PtoP": "peer to peer",
    "Memset": "memset",
}
_GZIP = b"\x1f\x8b"


class _Table:
    """Columns of whole numbers that grow."""

    def __init__(self, width: int) -> None:
        self.columns = tuple(array("q") for _ in range(width))

    def add(self, *values: int) -> None:
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def sorted(self) -> list[npt.NDArray[np.int64]]:
        """The columns, their rows by the first."""
        arrays = [
            np.frombuffer(column, np.int64) if column else np.empty(0, np.int64) for column in self.columns
        ]
        order = np.argsort(arrays[0], kind="stable")
        return [each[order] for each in arrays]


class _Events:
    """What a trace holds, by device where it is the GPU's."""

    def __init__(self) -> None:
        self.kernel_names, self.call_names, self.range_names = Names(), Names(), Names()
        self.copy_kinds, self.causes = Names(), list[Cause]()
        self.kernels: dict[int, _Table] = defaultdict(lambda: _Table(5))
        self.copies: dict[int, _Table] = defaultdict(lambda: _Table(4))
        self.calls, self.ranges = _Table(4), _Table(3)
        self.gpus: dict[int, Mapping[str, Any]] = {}
        self.is_torch = False
        self.categories: set[str] = set()

    def add(self, event: object) -> None:
        """Keep a complete event whose category is known."""
        if not isinstance(event, dict) or event.get("ph") != "X" or "dur" not in event:
            return
        category = str(event.get("cat", "")).lower()
        kind = _KINDS.get(category)
        if kind is None:
            self.categories.add(category)
            return
        start = round(1e3 * float(event["ts"]))
        end = start + round(1e3 * float(event["dur"]))
        name, arguments = str(event.get("name", "")), event.get("args") or {}
        if kind == "kernel":
            self._add_kernel(name, start, end, arguments)
        elif kind == "copy":
            number = self.copy_kinds.number(_direction(name))
            self.copies[_whole(arguments, "device")].add(start, end, number, _whole(arguments, "bytes"))
        elif kind == "range":
            self.ranges.add(start, end, self.range_names.number(name))
        else:
            self._add_call(kind, name, start, end, arguments)

    def _add_kernel(self, name: str, start: int, end: int, arguments: Mapping[str, Any]) -> None:
        number, stream = self.kernel_names.number(name), _whole(arguments, "stream")
        correlation = _whole(arguments, "correlation")
        self.kernels[_whole(arguments, "device")].add(start, end, number, correlation, stream)

    def _add_call(self, kind: str, name: str, start: int, end: int, arguments: Mapping[str, Any]) -> None:
        if kind in _CAUSES:  # one name for all: there are thousands
            name = _CAUSES[kind]
        number = self.call_names.number(name)
        if number == len(self.causes):
            self.causes.append(_CAUSES.get(kind) or cause_of_call(name))
        self.calls.add(start, end, number, _whole(arguments, "correlation"))


def read_chrome(path: Path) -> list[Recording]:
    """Read a trace: one recording for each GPU that ran kernels.

    Raises:
        ArtifactError: the file is damaged, another tool's, or holds no kernels; the text says what to do.
    """
    events = _Events()
    try:
        with opened_text(path) as file:
            _read(JsonStream(file), events)
    except (ValueError, EOFError, KeyError, TypeError, gzip.BadGzipFile) as error:
        raise ArtifactError(f"{path}: damaged or cut short: {error}; record or copy it again") from error
    if not events.kernels:
        raise ArtifactError(f"{path}: {_why_no_kernels(events)}", code=_code(events))
    return [_recording(events, device) for device in sorted(events.kernels)]


@contextmanager
def opened_text(path: Path) -> Iterator[IO[str]]:
    """A file of text, unpacked where it is packed by gzip."""
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    with (
        gzip.open(path, "rt", encoding="utf-8", errors="replace")
        if is_packed
        else path.open(encoding="utf-8", errors="replace")
    ) as text:
        yield text


def _read(stream: JsonStream, events: _Events) -> None:
    if stream.peek() == "[":
        for event in stream.items():
            events.add(event)
        return
    for name in stream.members():
        if name == "traceEvents":
            for event in stream.items():
                events.add(event)
        elif name == "deviceProperties":
            events.gpus = {each["id"]: each for each in stream.value()}
            events.is_torch = True
        else:
            stream.value()


def _code(events: _Events) -> Code:
    is_trace = events.is_torch or len(events.calls.columns[0]) or len(events.ranges.columns[0])
    return Code.TRACE_WITHOUT_KERNELS if is_trace else Code.TRACE_FOREIGN


def _why_no_kernels(events: _Events) -> str:
    if _code(events) == Code.TRACE_WITHOUT_KERNELS:
        return (
            "no kernels of a GPU; record again with torch.profiler.profile(activities=[ProfilerActivity.CPU, "
            "ProfilerActivity.CUDA])"
        )
    found = ", ".join(sorted(filter(None, events.categories))[:3])
    shown = f"events of {found}" if found else "no events"
    return f"{shown}, not a trace of torch.profiler; write one with its export_chrome_trace"


def _recording(events: _Events, device: int) -> Recording:
    gpu = events.gpus.get(device, {})
    start, end, name, correlation, stream = events.kernels[device].sorted()
    kernels = Kernels(events.kernel_names.all(), start, end, name, correlation, stream)
    start, end, kind, nbytes = events.copies[device].sorted()
    copies = Copies(events.copy_kinds.all(), start, end, kind, nbytes)
    start, end, name, correlation = events.calls.sorted()
    calls = calls_of(events.call_names.all(), events.causes, (start, end, name, correlation))
    start, end, name = events.ranges.sorted()
    major, minor = gpu.get("computeMajor"), gpu.get("computeMinor")
    return Recording(
        tool="torch.profiler" if events.is_torch else "Chrome trace",
        gpu=gpu.get("name"),
        target=None if major is None or minor is None else f"sm{major}{minor}",
        device=device,
        kernels=kernels,
        copies=copies,
        calls=calls,
        ranges=Ranges(events.range_names.all(), start, end, name),
    )


def _direction(name: str) -> str:
    return next((text for word, text in _DIRECTIONS.items() if word in name), name)


def _whole(arguments: Mapping[str, Any], name: str) -> int:
    value = arguments.get(name, 0)
    return value if isinstance(value, int) else int(float(value))
