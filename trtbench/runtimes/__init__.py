"""What can run a model: one file a runtime, imported only when it is named.

A runtime loads one arm and enqueues queries on a stream; it neither allocates nor waits while it does so.
Timing, inputs, graphs and memory are the measuring side's (trtbench/measure).
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal, Protocol, cast

from trtbench.errors import SpecError
from trtbench.results import TensorRecord
from trtbench.specs import ArmSpec

Loads = Literal["engine", "onnx", "model", "script"]


@dataclass(frozen=True)
class Tensor:
    """Memory of an input or an output: ``pointer`` is an address on the runtime's device, C order."""

    record: TensorRecord
    pointer: int
    nbytes: int


class Runtime(Protocol):
    """One loaded arm; a context manager that frees what it holds.

    ``device``: where inputs and outputs lie. ``graph``: whether our stream capture works (``capture``), the
    runtime captures and replays CUDA graphs of its own, one for each set of addresses (``own``), or neither
    (``none``). ``notes``: those of its settings that affect the times, for the record.
    """

    version: str
    device: Literal["cuda", "cpu"]
    graph: Literal["capture", "own", "none"]
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    notes: tuple[str, ...]

    def __enter__(self) -> "Runtime":
        """Return itself."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Free what it holds."""
        ...

    def bind(self, tensors: Mapping[str, Tensor]) -> None:
        """Use these addresses from the next query on; all inputs and outputs, by name."""
        ...

    def enqueue(self, stream: int) -> None:
        """Start one query of the whole batch on the CUDA stream (an address; 0 on a CPU: run to the end)."""
        ...

    def empty(self) -> "Runtime | None":
        """Open the same runtime, set up alike, on a model that computes nothing; None if there is none."""
        ...

    def capturing(self) -> AbstractContextManager[None]:
        """Hold this while ``enqueue`` is captured: what the runtime must do so that replays are valid."""
        ...


class Opens(Protocol):
    """What the module of a runtime offers as ``open_runtime``."""

    def __call__(self, arm: ArmSpec, stream: int, cuda_graph: bool) -> Runtime:
        """Load the arm for queries on ``stream``; ``cuda_graph``: a graph of its own is wanted.

        Raises:
            RuntimeUnavailable: a package or a device is missing; the text says how to get it.
            MeasureError: the artifact cannot be loaded, or does not run on this device.
        """
        ...


@dataclass(frozen=True)
class RuntimeEntry:
    """Where a runtime is, what it loads, what its queries run on: ``script`` stands for scripted times.

    ``times_itself``: it is a program that measures, and no ``Runtime`` (trtbench/measure/timers.py).
    ``may_have_graph``: whether there are models of which it runs queries in a CUDA graph. ``packages``: the
    modules that it imports.
    """

    module: str
    loads: Loads
    device: Literal["cuda", "cpu", "script"]
    times_itself: bool = False
    may_have_graph: bool = True
    packages: tuple[str, ...] = ()


_CUDA, _ORT, _TORCH = ("cuda.bindings",), ("onnxruntime",), ("cuda.bindings", "torch", "timm")

RUNTIMES = {
    "tensorrt": RuntimeEntry("trtbench.runtimes.tensorrt", "engine", "cuda", packages=("tensorrt", *_CUDA)),
    "tensorrt_rtx": RuntimeEntry(
        "trtbench.runtimes.tensorrt_rtx", "engine", "cuda", packages=("tensorrt_rtx", *_CUDA)
    ),
    "trtexec": RuntimeEntry("trtbench.trtexec.arm", "engine", "cuda", times_itself=True),
    "onnxruntime": RuntimeEntry("trtbench.runtimes.onnxruntime", "onnx", "cuda", packages=(*_CUDA, *_ORT)),
    "onnxruntime-cpu": RuntimeEntry(
        "trtbench.runtimes.onnxruntime", "onnx", "cpu", may_have_graph=False, packages=_ORT
    ),
    "torch": RuntimeEntry("trtbench.runtimes.torch", "model", "cuda", packages=_TORCH),
    "torch-eager": RuntimeEntry(
        "trtbench.runtimes.torch", "model", "cuda", may_have_graph=False, packages=_TORCH
    ),
    "torch-compile": RuntimeEntry("trtbench.runtimes.torch", "model", "cuda", packages=_TORCH),
    "fake": RuntimeEntry("trtbench.runtimes.fake", "script", "script"),
}


def missing_packages(name: str) -> list[str]:
    """Modules that a runtime imports and that are not installed here."""
    return [package for package in runtime_entry(name).packages if not _is_installed(package)]


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


def runtime_entry(name: str) -> RuntimeEntry:
    """Look a runtime up by name.

    Raises:
        SpecError: there is none.
    """
    if name not in RUNTIMES:
        raise SpecError(f"runtime {name!r}: expected one of {', '.join(RUNTIMES)}")
    return RUNTIMES[name]


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> Runtime:
    """Load an arm in the runtime that it names; raises what the runtime's module raises."""
    opens = cast(Opens, import_module(runtime_entry(arm.runtime).module).open_runtime)
    return opens(arm, stream, cuda_graph)
