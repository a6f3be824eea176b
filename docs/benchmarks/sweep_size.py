"""What a sweep of 100,000 cells takes beside the work itself: the table of docs/how_to/cluster.md.

    python docs/benchmarks/sweep_size.py --gpus 1000

No cell is made: each comes back after some seconds on a clock that only this program sees. All else is real:
the plan is read, checked and deduplicated, cells are scheduled on workers and GPUs, lines are written to the
journal on the disk, read back, merged, analysed and kept as a result.
"""

import argparse
import heapq
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from trtbench.request import read_plan
from trtbench.results import Sweep, SweepLine
from trtbench.results.rows import Row
from trtbench.specs import SweepCell
from trtbench.store.artifacts import Store
from trtbench.sweep import sweep
from trtbench.sweep.executors import Outcome
from trtbench.sweep.work import Task

PLAN = """
patch: [8, 14, 16, 32, 16]      # 16 is named twice: it comes once
depth: [4, 6, 8, 10, 12, 14, 16, 18, 20, 24]
width: [192, 384, 512, 576, 640, 768, 896, 1024, 1152, 1280]
image: [224, 448, 672, 896, 1120]
batch: [1, 4, 8, 16, 64]
recipe: [fp16, fp8, mxfp8, nvfp4, nvfp4+fp8attn]
gpu: [rtx-pro-6000-se, rtx-5090]
stages: [predict, bench]
"""
MAKE_S, TIME_S = 12.0, 25.0
"""Seconds of a core to make and predict a cell, and of a GPU to time it."""


class Simulated:
    """Workers and GPUs whose tasks end on a clock of their own."""

    def __init__(self, workers: int, gpus: int) -> None:
        self.workers, self.gpus = workers, gpus
        self.now_s = 0.0
        self._running: list[tuple[float, int, Task]] = []
        self._count = Counter[str]()
        self._number = 0
        self._rng = np.random.default_rng(0)

    def __enter__(self) -> "Simulated":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def why_not_timed(self, gpu: str | None) -> str | None:
        """Every GPU is there."""
        return None

    def has_room(self, task: Task) -> bool:
        """Whether a worker or a GPU is idle."""
        return self._count[task.phase] < (self.workers if task.phase == "make" else self.gpus)

    def start(self, task: Task) -> None:
        """Decide when the task will end."""
        each_s = (MAKE_S if task.phase == "make" else TIME_S) * self._rng.lognormal(0.0, 0.3)
        self._count[task.phase] += 1
        self._number += 1
        heapq.heappush(self._running, (self.now_s + each_s * len(task.cells), self._number, task))

    def next_outcome(self) -> Outcome:
        """Go on to the next end; one in 500 attempts loses its node."""
        start_s = self.now_s
        self.now_s, _, task = heapq.heappop(self._running)
        self._count[task.phase] -= 1
        lost = "its node died" if self._rng.random() < 0.002 else None
        lines = () if lost else [_line(task, cell, self._rng) for cell in task.cells]
        return Outcome(task, lines, self.now_s - start_s, lost)


def _line(task: Task, cell: SweepCell, rng: np.random.Generator) -> SweepLine:
    milliseconds = cell.sizes.flops(cell.image) * cell.batch / 3e11 * rng.lognormal(0.0, 0.1)
    name = "predicted_gpu_compute_ms" if task.phase == "make" else "measured_gpu_compute_median_ms"
    values: Row = {name: milliseconds, f"{name.partition('_')[0]}_images_per_s": 1e3 / milliseconds}
    if task.phase == "make":
        values |= {
            "onnx_sha256": "ab" * 32,
            "engine_sha256": "cd" * 32,
            "compiled_gemm_kernels": 4 * cell.depth,
        }
        values |= {f"predicted_{role}_ms": milliseconds / 9 for role in ("qkv", "proj", "fc1", "fc2", "norm")}
        values |= {"compiled_other_bytes": cell.width * cell.sizes.tokens(cell.image) * cell.batch}
    return SweepLine(key=cell.key, phase=task.phase, values=values)


def main() -> None:
    """Run the grid, and again from its journal; print what each step took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grid.yaml").write_text(PLAN)
        start = time.process_time(), time.perf_counter()
        plan = read_plan(folder / "grid.yaml")
        cells = list(plan.cells())
        _tell(f"plan: {plan.combinations} combinations, {len(cells)} cells", start)
        workers = Simulated(asked.workers, asked.gpus)
        start = time.process_time(), time.perf_counter()
        found = sweep(plan, Store(folder), lambda: workers)
        _tell(f"schedule on {asked.gpus} GPUs, keep, merge, analyse", start)
        hours = workers.now_s / 3600
        print(f"on the simulated clock: {hours:.2f} hours, {found.cost.retries} lost workers replaced")
        start = time.process_time(), time.perf_counter()
        again = sweep(plan, Store(folder), lambda: Simulated(asked.workers, asked.gpus))
        _tell("read the journal, merge, analyse, keep the result", start)
        _check(found, again, len(cells))
        for path in sorted((folder / "results").rglob("*.json*")):
            print(f"{path.suffix[1:]}: {path.stat().st_size / 1e6:.0f} MB")
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at most")


def _check(found: Sweep, again: Sweep, cells: int) -> None:
    """Each cell once, none lost, and the same from the journal as at first."""
    keys = {row.cell.key for row in found.rows}
    if not len(keys) == len(found.rows) == cells or found.has_failed or again.rows != found.rows:
        raise SystemExit("a cell is lost, failed, doubled, or another when it is read back")


def _tell(what: str, start: tuple[float, float]) -> None:
    cpu_s, wall_s = time.process_time() - start[0], time.perf_counter() - start[1]
    print(f"{what}: {cpu_s:.1f} s of CPU, {wall_s:.1f} s", flush=True)


if __name__ == "__main__":
    main()
