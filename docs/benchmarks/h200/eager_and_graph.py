"""Models in torch, eager and in a CUDA graph, for the scripts beside this one: times in turns, and traces."""

import json
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

import timm
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from trtbench.measure.device import Query
from trtbench.measure.profiler import record_queries
from trtbench.trace.inferences import split_inferences
from trtbench.trace.metrics import trace_of
from trtbench.trace.read import read_trace

BLOCK_MS = 30.0
SINGLES = 3
WARM_UPS = 5


@dataclass
class Arm:
    """One way to run a model; ``start`` enqueues a query. Times are in ms, one a round.

    ``wall_ms``: of a query among others, back to back; ``latency_ms``: of one alone, until its end.
    """

    label: str
    start: Callable[[], object]
    wall_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)

    def samples(self) -> dict[str, list[float]]:
        """All times so far."""
        return {"wall_ms": self.wall_ms, "latency_ms": self.latency_ms}


def eager_and_graph(name: str, module: Any, images: torch.Tensor) -> tuple[Arm, Arm]:
    """Both ways to run a model on its device, warmed up."""

    def query() -> None:
        with torch.inference_mode():
            module(images)

    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(WARM_UPS):
            query()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        module(images)
    return Arm(f"{name} eager", query), Arm(f"{name} graph", graph.replay)


def time_in_turns(arms: Sequence[Arm], rounds: int, finish: Callable[[], None], seed: int = 0) -> None:
    """Time a block of every arm in each round, in random order; a first round is thrown away."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    counts = {arm.label: _block_size(arm, finish) for arm in arms}
    for _ in range(rounds):
        for arm in chance.sample(list(arms), len(arms)):
            _wall_ms(arm, 2, finish)
            arm.wall_ms.append(_wall_ms(arm, counts[arm.label], finish))
            arm.latency_ms.append(statistics.median(_wall_ms(arm, 1, finish) for _ in range(SINGLES)))


def _block_size(arm: Arm, finish: Callable[[], None]) -> int:
    return max(3, round(BLOCK_MS / min(_wall_ms(arm, 3, finish) for _ in range(2))))


def _wall_ms(arm: Arm, count: int, finish: Callable[[], None]) -> float:
    """Time of one of so many queries."""
    started_s = time.perf_counter()
    for _ in range(count):
        arm.start()
    finish()
    return 1e3 * (time.perf_counter() - started_s) / count


def traced(arm: Arm, count: int) -> dict[str, Any]:
    """Record so many queries and sum the recording up as ``trtbench trace`` does, as far as tables need it.

    ``*_ms`` and ``kernels`` are medians of one inference, ``each_kernel_ms`` the sums of each.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record_queries(repeat(Query(arm.start, None)), count, torch.cuda.synchronize, path)
        return summary(path, arm.label)


def summary(path: Path, label: str) -> dict[str, Any]:
    """What is kept of a trace with one GPU."""
    (recording,) = read_trace(path)
    found, split = trace_of(recording, label, path), split_inferences(recording)
    timeline, inferences = found.timeline, found.inferences
    if timeline is None or inferences is None or split is None:
        raise ValueError(f"{label}: the trace has no inferences")
    lengths_ms = 1e-6 * (recording.kernels.end - recording.kernels.start)
    return {
        "kernels": inferences.kernels,
        "kernel_ms": inferences.kernel_ms,
        "each_kernel_ms": [
            float(lengths_ms[first:last].sum()) for first, last in zip(split.first, split.last, strict=True)
        ],
        "busy_ms": inferences.busy_ms,
        "span_ms": inferences.span_ms,
        "period_ms": inferences.period_ms,
        "gaps_over_10us": inferences.gaps,
        "pipeline_efficiency": inferences.pipeline_efficiency,
        "window_ms": timeline.window_ms,
        "utilisation": timeline.utilisation,
        "window_kernels": found.kernel_count,
        "window_gaps_over_10us": timeline.gaps.count,
        "mean_kernel_us": found.mean_us,
        "idle": {each.cause: each.share for each in timeline.idle},
        "categories_ms": {
            f"{each.category} {each.format or ''}".strip(): each.inference_ms for each in found.categories
        },
        "copies": [each.model_dump(mode="json") for each in found.transfers],
    }


class MovedBytes(TorchDispatchMode):
    """Counts what operations read and write: tensors of those whose results are no views of their inputs."""

    total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        inputs, outputs = _tensors((args, kwargs or {})), _tensors(result)
        own = {each.untyped_storage().data_ptr() for each in inputs}
        if not all(each.untyped_storage().data_ptr() in own for each in outputs):
            self.total += sum(each.nbytes for each in (*inputs, *outputs))
        return result


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in _tensors(part)]
    return [value] if torch.is_tensor(value) else []


def moved_bytes(module: Any, images: torch.Tensor) -> int:
    """Bytes of one query."""
    with torch.inference_mode(), MovedBytes() as counted:
        module(images)
    return counted.total


def machine() -> dict[str, Any]:
    """GPU, driver, versions, date, and the command that was run."""
    import pynvml

    pynvml.nvmlInit()
    return {
        "gpu": torch.cuda.get_device_name(),
        "driver": pynvml.nvmlSystemGetDriverVersion(),
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "command": f"python docs/benchmarks/h200/{' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])}",
    }


class Results:
    """A file of results, one a line, written anew after each; those that it holds already are kept."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self.rows: list[dict[str, Any]] = []
        if path.exists():
            self.rows = json.loads(path.read_text(encoding="utf-8"))["results"]

    def __contains__(self, name: str) -> bool:
        return any(row[self._key] == name for row in self.rows)

    def drop(self, names: Iterable[str]) -> None:
        """Forget what an interrupted run left of these, to measure them together."""
        dropped = set(names)
        self.rows = [row for row in self.rows if row[self._key] not in dropped]

    def add(self, row: dict[str, Any], machine: dict[str, Any]) -> None:
        """Keep a result."""
        self.rows.append(row)
        lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in self.rows)
        text = f'{{"machine":{json.dumps(machine)},\n"results":[\n{lines}\n]}}\n'
        self._path.write_text(text, encoding="utf-8")


def rounded(value: Any, digits: int = 6) -> Any:
    """Floats to so many digits, wherever they lie in ``value``."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(each, digits) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each, digits) for each in value]
    return value


def progress(done: int, total: int, started_s: float, text: str) -> None:
    """Say how far the script is."""
    print(f"{time.perf_counter() - started_s:6.0f} s  {done}/{total}  {text}", flush=True)
