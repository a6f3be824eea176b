"""trtbench's GPU compute time against other timers of the same model in the same process.

    python docs/benchmarks/h200/other_timers.py --batch 1 --batch 64

Needs an NVIDIA GPU, torch and Triton. ``triton.testing.do_bench_cudagraph`` captures as many copies of the
model as fit into its repetition time, and divides; ``torch.profiler`` adds up the kernels, without gaps.
"""

import json
import statistics
import sys
from contextlib import ExitStack

import torch
from arguments import check_gpu, parser
from torch.profiler import ProfilerActivity, profile
from triton.testing import do_bench_cudagraph

from trtbench.measure.messages import Job
from trtbench.measure.worker import load
from trtbench.runtimes.torch_model import load_model
from trtbench.specs import ArmSpec, BenchSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe

ROUNDS = 9
PROFILED_QUERIES = 20


def main() -> None:
    """Print one JSON line a batch."""
    words = parser(__doc__)
    words.add_argument("--batch", type=int, action="append", required=True)
    batches = words.parse_args().batch
    check_gpu()
    for batch in batches:
        json.dump(compare_timers(batch), sys.stdout)
        print(flush=True)


def compare_timers(batch: int) -> dict[str, object]:
    """Take turns: a block of ours, a run of Triton's; medians of the rounds, in milliseconds."""
    export = ExportSpec(recipe=parse_recipe("fp16"), batch=batch)
    arm = ArmSpec(
        label="fp16",
        runtime="torch",
        recipe=export.recipe,
        export=export,
        artifact=None,
        artifact_sha256=None,
    )
    module = load_model(export, torch.device("cuda")).module
    generator = torch.Generator("cuda").manual_seed(0)
    shape = (batch, 3, 224, 224)
    images = torch.randn(shape, generator=generator, device="cuda", dtype=torch.float16)

    def query() -> None:
        with torch.inference_mode():
            module(images)

    ours, tritons = [], []
    with ExitStack() as stack:
        timed = load(Job(arm=arm, bench=BenchSpec(), process=0), stack)
        # A process takes another state after its first: see docs/results/h200.md.
        do_bench_cudagraph(query, rep=50)
        for _ in range(ROUNDS):
            ours.append(statistics.median(timed.block()["gpu_compute_ms"]))
            tritons.append(do_bench_cudagraph(query, rep=50 if batch == 1 else 100, return_mode="median"))
    kernels_ms = kernel_sum_ms(query)
    ratios = [mine / other for mine, other in zip(ours, tritons, strict=True)]
    return {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "batch": batch,
        "trtbench_ms": statistics.median(ours),
        "do_bench_cudagraph_ms": statistics.median(tritons),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "profiler_kernel_sum_ms": kernels_ms,
    }


def kernel_sum_ms(query: object) -> float:
    """Sum of the durations of all kernels of one query, as torch's profiler has them."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(PROFILED_QUERIES):
            query()  # type: ignore[operator]
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profiled.key_averages()) / PROFILED_QUERIES / 1e3


if __name__ == "__main__":
    main()
