"""What the coordinating process adds to a block, from the first of 20,000 to the last.

Run from the repository's root:

    python docs/benchmarks/coordinator_cost.py

Two arms are measured by the code that measures real ones, with journals on the disk, stop rules, statistics,
findings and a verdict; only the queries take no time. A block has the samples of 166 queries in two series,
which pass through the messages of worker and coordinator. The CPU time that all this takes is set against the
250 ms that a block lasts by default; waiting for the disk comes on top, which the journal holds under 0.5 %.
The table goes to docs/benchmarks/coordinator_cost.md.
"""

import math
import os
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from itertools import cycle, pairwise
from pathlib import Path
from unittest.mock import patch

from arguments import parse

from trtbench.host.hardware import collect_environment
from trtbench.measure import interleave
from trtbench.measure.messages import Reply, Samples
from trtbench.measure.run import Arm
from trtbench.measure.side_by_side import measure_side_by_side
from trtbench.progress import silent
from trtbench.results import ArmFacts, TensorRecord
from trtbench.specs import ArmSpec, BenchSpec
from trtbench.store.artifacts import Store

BLOCKS = 20_000
PIECES = 10
QUERIES = 166
PAGE = Path(__file__).with_suffix(".md")
FACTS = ArmFacts(
    runtime_version="1",
    main_series="gpu_compute_ms",
    inputs=(TensorRecord(name="images", dtype="float16", shape=(64, 3, 224, 224)),),
    outputs=(TensorRecord(name="logits", dtype="float16", shape=(64, 1000)),),
    cuda_graph="captured",
    graph_kernels=143,
    output_sample=(1.0, 2.0, -1.0),
    device_memory_bytes=2**30,
    l2_bytes=50 * 2**20,
    load_s=1.5,
    pid=1,
)


class InstantTimer:
    """A worker whose queries take no time; its messages are those of a real one."""

    pid = 1

    def __init__(self, seed: str, starts_s: list[float]) -> None:
        generator = random.Random(seed)  # noqa: S311 (times, no secret)
        self._starts_s = starts_s
        self._blocks = cycle(
            tuple(1.5 * math.exp(generator.gauss(0, 0.01)) for _ in range(QUERIES)) for _ in range(64)
        )

    def __enter__(self) -> "InstantTimer":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def prepare(self) -> ArmFacts:
        """Nothing has to be loaded."""
        return FACTS

    def block(self) -> Samples:
        """Samples as they come through the pipe."""
        self._starts_s.append(time.process_time())
        times = next(self._blocks)
        line = Reply(samples={"gpu_compute_ms": times, "enqueue_ms": times}).model_dump_json()
        return Reply.model_validate_json(line).samples or {}


def arm(label: str, folder: Path) -> Arm:
    """An arm of which only the name counts."""
    script = folder / "script.yaml"
    script.write_text("series: {gpu_compute_ms: 1.5}", encoding="utf-8")
    nothing = dict.fromkeys(("recipe", "export", "artifact_sha256"))
    spec = {"label": label, "runtime": "fake", "artifact": str(script), **nothing}
    return Arm((ArmSpec.model_validate(spec),))


def main() -> None:
    """Measure, and write the page."""
    parse(__doc__)
    starts_s: list[float] = []

    def opened(spec: ArmSpec, bench: BenchSpec, log_path: Path, process: int, *_: object) -> InstantTimer:
        return InstantTimer(f"{spec.label} {process}", starts_s)

    bench = BenchSpec(duration_s=BLOCKS / 2 * 0.25, target_half_width=1e-9)
    machine = collect_environment()
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        patch.object(interleave, "open_timer", opened),
    ):
        arms = [arm("a", Path(folder)), arm("b", Path(folder))]
        measure_side_by_side(arms, bench, Store(Path(folder)), "soak", silent, machine)
        starts_s.append(time.process_time())
    PAGE.write_text(page(starts_s, bench, machine.cpu_model), encoding="utf-8")


def page(starts_s: Sequence[float], bench: BenchSpec, cpu: str) -> str:
    """The figures by tenths of the run."""
    # A block that the machine holds up for longer than 250 ms counts as several.
    blocks = len(starts_s) - 1
    result_s = starts_s[-1] - starts_s[-2]
    ends = [blocks * piece // PIECES for piece in range(PIECES + 1)]
    ends[-1] -= 1
    lines = [
        f"# What it takes to coordinate {blocks:,} blocks",
        "",
        f"Measured {date.today().isoformat()} with `python docs/benchmarks/coordinator_cost.py`,",
        f"which says what was timed, on {cpu} ({len(os.sched_getaffinity(0))} cores).",
        f"The last column is relative to the {bench.block_ms:g} ms that a block lasts by default.",
        "Waiting for the disk comes on top: the journal holds it under 0.5 %, however slow the disk is.",
        f"Statistics, findings and the verdict at the end took {result_s:.1f} s, which `all` includes.",
        "",
        "| blocks | CPU time a block, us | share of the time |",
        "|---|---|---|",
    ]
    lines += [_row(f"{start + 1:,} to {end:,}", starts_s, start, end, bench) for start, end in pairwise(ends)]
    lines.append(_row("all", starts_s, 0, blocks, bench))
    return "\n".join(lines) + "\n"


def _row(name: str, starts_s: Sequence[float], start: int, end: int, bench: BenchSpec) -> str:
    cpu_s = (starts_s[end] - starts_s[start]) / (end - start)
    return f"| {name} | {cpu_s * 1e6:.0f} | {cpu_s * 1000 / bench.block_ms:.2%} |"


if __name__ == "__main__":
    main()
