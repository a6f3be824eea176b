"""What trtexec writes: its log, the times of every query, the times of every layer.

Exported times hold one object a query, without the queries of the warm-up; a profile has one a layer, behind
the number of queries (``samples/common/sampleReporting.cpp`` of TensorRT).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trtbench.errors import MeasureError
from trtbench.host.json_text import parse_foreign_json
from trtbench.results import LayerTime, Series, TensorRecord
from trtbench.specs import Spec
from trtbench.trtexec.log import messages

_MEDIAN = re.compile(r"^GPU Compute Time: min = .* median = (?P<median>\S+) ms")
_BINDING = re.compile(
    r"^(?P<way>Input|Output) binding for (?P<name>.+) with dimensions (?P<shape>[\dx]*)"
    r"(?: and type (?P<dtype>\S+))? is created\.$"
)
_LOADED = re.compile(r"^Engine deserialized in (?P<duration_s>\S+) sec")
_CAPTURED = "Successfully captured CUDA graph for the current execution context"

# What trtexec prints of its options before it starts, in 10 and 11 alike.
_ECHOED = {"CUDA Graph": "cuda_graph", "Data transfers": "transfers", "Spin-wait": "spin_wait"}


class Protocol(Spec):
    """How trtexec says it measured; ``cuda_graph_captured`` is about the graph itself."""

    cuda_graph: bool
    transfers: bool
    spin_wait: bool
    cuda_graph_captured: bool


class LoadedEngine(Spec):
    """What trtexec reports about the engine that it loaded; ``dtype`` is ``unknown`` where it does not."""

    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    load_s: float


def read_engine(log: str) -> LoadedEngine:
    """Find shapes of inputs and outputs, and how long the engine took to load.

    Raises:
        MeasureError: the log does not report it.
    """
    tensors: dict[str, list[TensorRecord]] = {"Input": [], "Output": []}
    load_s = None
    for text in messages(log, "I"):
        if found := _BINDING.match(text):
            shape = tuple(int(size) for size in found["shape"].split("x") if size)
            dtype = found["dtype"] or "unknown"
            tensors[found["way"]].append(TensorRecord(name=found["name"], dtype=dtype, shape=shape))
        elif found := _LOADED.match(text):
            load_s = float(found["duration_s"])
    if load_s is None or not tensors["Input"]:
        raise MeasureError(
            "trtexec did not report the engine's inputs, or that it loaded: is it another version?"
        )
    return LoadedEngine(inputs=tuple(tensors["Input"]), outputs=tuple(tensors["Output"]), load_s=load_s)


def read_times(path: Path) -> dict[Series, tuple[float, ...]]:
    """Read ``--exportTimes``: all samples of the GPU compute time, in ms; there are no copies to be timed.

    How long the host took to enqueue is not in it: begin and end are written with six digits, which after ten
    seconds are tenths of a millisecond.

    Raises:
        MeasureError: the file is missing, cut short or of another kind, or holds no query.
    """
    rows = _read_list(path)
    try:
        gpu_compute_ms = tuple(float(row["computeMs"]) for row in rows)
    except (KeyError, TypeError, ValueError) as error:
        raise MeasureError(f"{path}: not the times that trtexec exports: {error!r}") from error
    if not rows:
        raise MeasureError(f"{path}: no query in it: the run was too short")
    return {"gpu_compute_ms": gpu_compute_ms}


def read_profile(path: Path) -> tuple[LayerTime, ...]:
    """Read ``--exportProfile``: all layers that ran, in their order.

    Raises:
        MeasureError: the file is missing, cut short or of another kind.
    """
    try:
        return tuple(
            LayerTime(name=row["name"], median_ms=row["medianMs"], share=row["percentage"] / 100)
            for row in _read_list(path)
            if "count" not in row
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MeasureError(f"{path}: not the profile that trtexec exports: {error!r}") from error


def read_gpu_compute_median_ms(log: str) -> float:
    """Read the median of the GPU compute time from the summary at the end of the log.

    Raises:
        MeasureError: there is none.
    """
    for text in messages(log, "I"):
        if found := _MEDIAN.match(text):
            return float(found["median"])
    raise MeasureError("trtexec printed no performance summary")


def read_protocol(log: str) -> Protocol:
    """Find how it measured, as it reports, and whether the CUDA graph was really captured.

    A capture that fails is only a warning to trtexec, and it goes on without.

    Raises:
        MeasureError: the log does not report it.
    """
    reported: dict[str, bool] = {}
    for text in messages(log, "I"):
        name, _, value = text.partition(": ")
        if name in _ECHOED and value in ("Enabled", "Disabled"):
            reported[_ECHOED[name]] = value == "Enabled"
    missing = [name for name, field in _ECHOED.items() if field not in reported]
    if missing:
        raise MeasureError(f"trtexec did not report its options {', '.join(missing)}: is it another version?")
    captured = any(text.startswith(_CAPTURED) for text in messages(log, "I"))
    return Protocol(**reported, cuda_graph_captured=captured)


def _read_list(path: Path) -> list[Mapping[str, Any]]:
    try:
        content = parse_foreign_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise MeasureError(f"{path}: cannot read what trtexec exported: {error}") from error
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise MeasureError(f"{path}: not a list of objects, as trtexec exports it")
    return content
