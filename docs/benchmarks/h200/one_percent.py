"""How often a real difference of 1 % is found: ViT-B/16 against itself with a delay kernel behind it.

    python docs/benchmarks/h200/one_percent.py --comparisons 100 --store STORE

Needs an NVIDIA GPU and torch. The delay is set so that it costs 1 % of the whole; what it really costs is
measured over all comparisons together. Each comparison draws fresh groups of processes, as
``trtbench bench --aa`` does.
"""

import ctypes
import json
import random
import runpy
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from arguments import check_gpu, parser

from trtbench.measure.interleave import order
from trtbench.measure.process import ArmProcess
from trtbench.measure.summarise import measurement_of
from trtbench.measure.verdict import decide
from trtbench.specs import ArmSpec, BenchSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.stats import BlockSamples, speedup

SERIES = "gpu_compute_ms"
BENCH = BenchSpec(processes=5, block_ms=25.0, warmup_ms=300.0)
TRIALS = (2000, 12000)  # cycles
CALIBRATION_TURNS = 60
FACTOR = 2  # processes in a pool for each in a group
SOURCE = """
extern "C" __global__ void wait(long long cycles)
{ long long start = clock64(); while (clock64() - start < cycles) ; }
"""


def main() -> None:
    """Print one JSON object: the real ratio, the share found, the verdicts."""
    words = parser(__doc__)
    words.add_argument("--comparisons", type=int, default=100)
    words.add_argument("--store", type=Path, required=True)
    options = words.parse_args()
    check_gpu()
    options.store.mkdir(parents=True, exist_ok=True)
    cycles = delay_of_one_percent(options.store)
    with ExitStack() as stack:
        pools = {label: pool(stack, label, options.store, BENCH.processes * FACTOR) for label in arms(cycles)}
        results = [compare(pools, index) for index in range(options.comparisons)]
    verdicts = Counter(word for _, word, _ in results)
    json.dump(
        {
            "delay_cycles": cycles,
            "comparisons": len(results),
            "median_ratio": statistics.median(ratio for ratio, _, _ in results),
            "verdicts": verdicts,
            "found_share": verdicts["SLOWER"] / len(results),
            "results": results,
        },
        sys.stdout,
    )
    print()


def arms(cycles: int) -> tuple[str, str]:
    """Labels of the plain and of the delayed arm; the label carries the delay to the worker."""
    return "plain 0", f"delayed {cycles}"


def pool(stack: ExitStack, label: str, store: Path, size: int) -> list[tuple[ArmProcess, object]]:
    """Processes of one arm, loaded."""
    export = ExportSpec(recipe=parse_recipe("fp16"), batch=1)
    arm = arm_spec(label, export)
    python = (sys.executable, __file__, "--worker", label.split()[1])
    members = []
    for number in range(size):
        log_path = store / f"{label.replace(' ', '-')}-{number}.log"
        process = stack.enter_context(ArmProcess(arm, BENCH, log_path, python=python, process=number))
        members.append((process, process.prepare()))
    return members


def delay_of_one_percent(store: Path) -> int:
    """Cycles that cost 1 % together with the launch of the kernel, found in a process of its own.

    One process holds the plain graph and two delayed ones: processes differ from each other by more than
    what is to be set here.
    """
    command = [sys.executable, __file__, "--calibrate"]
    with (store / "calibrate.log").open("w") as log:
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=True, text=True)
    return int(found.stdout.split()[-1])


def calibrate() -> int:
    """Time the plain graph and two delays in turns, and interpolate."""
    import trtbench.runtimes.torch as torch_runtime
    from trtbench.measure.device import open_device
    from trtbench.measure.loop import Load, prepare

    export = ExportSpec(recipe=parse_recipe("fp16"), batch=1)
    arm = arm_spec("calibrate", export)
    with ExitStack() as stack:
        device = stack.enter_context(open_device(arm, 0))
        runtime = stack.enter_context(torch_runtime.open_runtime(arm, device.stream, True))
        variants = {0: runtime} | {cycles: Delayed(runtime, cycles) for cycles in TRIALS}
        timed = {cycles: prepare(device, each, BENCH, Load(0.0, None)) for cycles, each in variants.items()}
        medians = {cycles: [] for cycles in timed}
        for turn in range(CALIBRATION_TURNS):
            for cycles in order(list(timed), BENCH.seed, 0, turn):
                medians[cycles].append(statistics.median(timed[cycles].block()[SERIES]))
    plain, low, high = (statistics.median(medians[cycles]) for cycles in (0, *TRIALS))
    slope_ms = (high - low) / (TRIALS[1] - TRIALS[0])
    print(f"plain {plain} ms, delayed {low} and {high} ms", file=sys.stderr)
    return max(0, round(TRIALS[0] + (1.01 * plain - low) / slope_ms))


def arm_spec(label: str, export: ExportSpec) -> ArmSpec:
    """The model in torch, whose eager kernels are captured in a CUDA graph."""
    return ArmSpec(
        label=label, runtime="torch", recipe=export.recipe, export=export, artifact=None, artifact_sha256=None
    )


def compare(
    pools: Mapping[str, list[tuple[ArmProcess, object]]], index: int
) -> tuple[float, str, tuple[float, float]]:
    """One comparison of fresh blocks of five processes a side: ratio, verdict, interval."""
    blocks = {label: [] for label in pools}
    chance = random.Random(index)  # noqa: S311 (no secret)
    draws = {label: chance.sample(pools[label], BENCH.processes) for label in pools}
    for process in range(BENCH.processes):
        for turn, label in turns(list(pools), process):
            worker, _ = draws[label][process]
            values = worker.block()[SERIES]
            blocks[label].append(BlockSamples(build=0, process=process, block=turn, values=values))
    plain, delayed = pools
    ratio = speedup(blocks[plain], blocks[delayed])
    measured = [summary(label, pools[label][0][1], blocks[label]) for label in pools]
    verdict = decide(*measured, ratio)
    return ratio.value, verdict.verdict, ratio.ci95


def turns(labels: list[str], process: int) -> Iterator[tuple[int, str]]:
    """Every arm once a turn, in random order."""
    for turn in range(BENCH.min_blocks):
        for label in order(labels, BENCH.seed, process, turn):
            yield turn, label


def summary(label: str, facts: object, blocks: list[BlockSamples]) -> object:
    """The measurement that the verdict asks for, without telemetry."""
    from trtbench.results import TimedBlock

    arm = ArmSpec(label=label, runtime="torch", recipe=None, export=None, artifact=None, artifact_sha256=None)
    timed = [
        TimedBlock(
            arm=label,
            build=block.build,
            process=block.process,
            block=block.block,
            started_utc="",
            samples={SERIES: tuple(block.values)},
        )
        for block in blocks
    ]
    return measurement_of(arm, BENCH, timed, facts, None, "GPU", raw="")


class Delayed:
    """A runtime with a kernel behind each query that waits for some cycles."""

    def __init__(self, inner: object, cycles: int) -> None:
        from cuda.bindings import driver, nvrtc

        self._inner, self._driver = inner, driver
        _, program = nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"wait.cu", 0, [], [])
        (status,) = nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=sm_90"])
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise RuntimeError(f"nvrtc: {status}")
        _, size = nvrtc.nvrtcGetCUBINSize(program)
        self._cubin = b" " * size
        nvrtc.nvrtcGetCUBIN(program, self._cubin)
        _, self._module = driver.cuModuleLoadData(self._cubin)
        _, self._kernel = driver.cuModuleGetFunction(self._module, b"wait")
        self._arguments = ((cycles,), (ctypes.c_longlong,))

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def __enter__(self) -> "Delayed":
        self._inner.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._inner.__exit__(*exception)

    def enqueue(self, stream: int) -> None:
        """Start a query and the delay behind it."""
        self._inner.enqueue(stream)
        self._driver.cuLaunchKernel(self._kernel, 1, 1, 1, 1, 1, 1, 0, stream, self._arguments, 0)


def work(cycles: int) -> None:
    """Be a worker whose runtime ``torch`` is delayed."""
    import trtbench.runtimes.torch as runtime

    if cycles:
        plain = runtime.open_runtime
        runtime.open_runtime = lambda *arguments: Delayed(plain(*arguments), cycles)
    runpy.run_module("trtbench.measure.worker", run_name="__main__")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--calibrate"]:
        cycles_found = calibrate()
        print(cycles_found)
    elif sys.argv[1:2] == ["--worker"]:
        cycles_asked = int(sys.argv[2])
        del sys.argv[1:5]  # --worker CYCLES -m trtbench.measure.worker
        work(cycles_asked)
    else:
        main()
