"""Compare the cost model with times that its fit has never seen: a published study, and other GPUs.

Run from the repository's root, with a store that holds the engines of

    trtbench compare fp16 nvfp4@stock nvfp4 fp8+fp8attn --batch 64 --store STORE
    python docs/benchmarks/check_cost_model.py STORE

It writes tables into docs/results/prediction_errors.md, between the markers. Nothing is fitted here.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
from arguments import parse

from trtbench.audit.inspect import inspect
from trtbench.predict.engine import predict_engine
from trtbench.predict.fitted import calibration_of
from trtbench.predict.gemm import GemmWork, gemm_time
from trtbench.predict.gpus import find_gpu
from trtbench.predict.intervals import Bounds
from trtbench.predict.memory import gelu_us, miss_share, pointwise_us
from trtbench.results import LayerPrediction, Prediction

GPU = "rtx-pro-6000-se"
RECIPES = ("fp16", "nvfp4@stock", "nvfp4", "fp8+fp8attn")
FP16_KERNELS = {
    ("gemm", "fc1"): 188.3,
    ("gemm", "fc2"): 168.4,
    ("gemm", "qkv"): 126.0,
    ("gemm", "proj"): 47.5,
    ("attention", "attention"): 44.5,
}
"""us each, 12 of each; kernel sum 7.6 ms. ViT-B/16, batch 64, RTX PRO 6000, TensorRT 10.11."""
MEGABYTE = 1e6
# Moved bytes, elements that GELU is taken of, and us of kernels in the published NVFP4 engine.
MOVERS = {
    "LayerNorm, 77 MB": (77 * MEGABYTE, 0.0, 17.2),
    "GELU, 155 MB": (155 * MEGABYTE, 64 * 197 * 3072.0, 44.4),
}
# GPU, precision, M, N, K, us, source.
UNFITTED = (
    ("gb10", "fp4", 4096, 14336, 4096, 1351.0, "356 TFLOPS, NVIDIA forum 359960"),
    ("gb10", "fp8", 4096, 14336, 4096, 2559.0, "188 TFLOPS, the same"),
    ("rtx-5090", "fp16", 8192, 8192, 8192, 4470.0, "246 TFLOPS, best of gn-kernels; size assumed"),
    ("rtx-5090", "fp8", 8192, 8192, 8192, 2291.0, "480 TFLOPS, the same"),
    ("rtx-5090", "fp4", 8192, 8192, 8192, 842.0, "1306 TFLOPS, the same"),
)
OPERAND_BYTES = {"fp16": 2.0, "fp8": 1.0, "fp4": 0.5625}


def predictions(store: Path) -> dict[str, Prediction]:
    """Each recipe's engine in the store, on the GPU of the study."""
    found = {}
    for recipe in RECIPES:
        (engine,) = (store / "engines").glob(f"vit_base_patch16_224-{recipe}-b64-*")
        found[recipe] = predict_engine(inspect(engine), find_gpu(GPU), 64)
    return found


def _average(layers: tuple[LayerPrediction, ...], kernel: str, role: str) -> tuple[float, Bounds]:
    """Mean prediction in us of the kernels of a role, and its interval."""
    chosen = [layer for layer in layers if (layer.kernel, layer.role) == (kernel, role)]
    ends = [1e3 * mean(layer.interval_ms[end] for layer in chosen) for end in (0, 1)]
    return 1e3 * mean(layer.predicted_ms for layer in chosen), Bounds(low=ends[0], high=ends[1])


def _row(name: str, published: float, predicted: float, ends: Bounds) -> str:
    inside = "yes" if ends.low <= published <= ends.high else "no"
    return (
        f"| {name} | {published:.1f} | {predicted:.1f} | {100 * (predicted / published - 1):+.0f} % "
        f"| {ends.low:.1f} to {ends.high:.1f} | {inside} |"
    )


def kernel_table(found: dict[str, Prediction]) -> Iterator[str]:
    """The published kernels one by one."""
    yield "| kernel | published us | predicted us | error | 90 % interval | inside |"
    yield "|---|---|---|---|---|---|"
    for (kernel, role), published in FP16_KERNELS.items():
        yield _row(f"FP16 engine: {role}", published, *_average(found["fp16"].layers, kernel, role))
    stock = found["nvfp4@stock"].layers
    yield _row("NVFP4 engine: QKV in FP16", 120.8, *_average(stock, "gemm", "qkv"))
    fp4 = [_average(stock, "gemm", role) for role in ("proj", "fc1", "fc2")]
    ends = Bounds(low=mean(each.low for _, each in fp4), high=mean(each.high for _, each in fp4))
    yield _row("NVFP4 engine: proj, fc1, fc2 in FP4, mean", 38.1, mean(time for time, _ in fp4), ends)
    yield _row("NVFP4 engine: attention", 44.0, *_average(stock, "attention", "attention"))
    for name, (moved, gelu, published) in MOVERS.items():
        predicted, ends = _moved(moved, gelu)
        yield _row(f"NVFP4 engine: {name}", published, predicted, ends)


def _moved(moved_bytes: float, gelu_elements: float) -> tuple[float, Bounds]:
    """Time of a kernel whose tensors are all in L2, and its interval."""
    gpu = find_gpu(GPU)
    calibration = calibration_of(gpu)
    arithmetic = gelu_us(np.array(gelu_elements), gpu, calibration.gelu_clocks)
    moved, memory = np.array(moved_bytes), calibration.rates.memory
    time = float(pointwise_us(moved, np.array(0.0), gpu, memory, arithmetic))
    bounds = calibration.bounds("pointwise", "any").kernel
    return time, Bounds(low=time * bounds.low, high=time * bounds.high)


def sum_table(found: dict[str, Prediction]) -> Iterator[str]:
    """Whole engines, and the part of them that the study lists."""
    yield "| engine | published ms | predicted ms | error | 90 % interval | kernels |"
    yield "|---|---|---|---|---|---|"
    for recipe, prediction in found.items():
        published = {"fp16": 7.6, "nvfp4@stock": 5.5}.get(recipe)
        error = f"{100 * (prediction.gpu_compute_ms / published - 1):+.0f} %" if published else "-"
        low, high = prediction.interval_ms
        yield (
            f"| `{recipe}` | {published or '-'} | {prediction.gpu_compute_ms:.2f} | {error} "
            f"| {low:.2f} to {high:.2f} | {len(prediction.layers)} |"
        )
    published, predicted = listed_kernels(found["nvfp4@stock"])
    yield (
        f"| NVFP4 kernels that the study lists | {published:.2f} | {predicted:.2f} "
        f"| {100 * (predicted / published - 1):+.0f} % | - | 94 |"
    )


def listed_kernels(stock: Prediction) -> tuple[float, float]:
    """Sum in ms of the published NVFP4 kernels whose work is known: published, predicted."""
    fp4 = mean(_average(stock.layers, "gemm", role)[0] for role in ("proj", "fc1", "fc2"))
    counts = (
        (12, 120.8, _average(stock.layers, "gemm", "qkv")[0]),
        (36, 38.1, fp4),
        (12, 44.0, _average(stock.layers, "attention", "attention")[0]),
        *(
            (count, us, _moved(moved, gelu)[0])
            for count, (moved, gelu, us) in zip((22, 12), MOVERS.values(), strict=True)
        ),
    )
    return sum(n * us for n, us, _ in counts) / 1e3, sum(n * us for n, _, us in counts) / 1e3


def unfitted_table() -> Iterator[str]:
    """Single products on GPUs that take the rates of another."""
    yield "| GPU | product | measured us | predicted us | error | 90 % interval | inside | source |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, precision, *sizes, measured, source in UNFITTED:
        m, n, k = (np.array([float(size)]) for size in sizes)
        gpu, size = find_gpu(name), OPERAND_BYTES[precision]
        calibration = calibration_of(gpu)
        rates = calibration.rates
        warm, cold = m * k * size + 2 * m * n, n * k * size
        dram = cold + warm * miss_share(warm + cold, gpu, rates.memory)
        work = GemmWork(m, n, k, np.array([size]), np.array([2.0]), dram)
        time = gemm_time(work, gpu.rate(precision), gpu, rates.gemm[precision], rates.memory).total_us[0]
        bounds = calibration.bounds("gemm", precision).kernel
        ends = Bounds(low=time * bounds.low, high=time * bounds.high)
        row = _row(f"{precision} {'x'.join(map(str, sizes))}", measured, time, ends)
        yield f"| {name} {row} {source} |"


def main() -> None:
    """Write the tables."""
    page = Path(__file__).resolve().parents[1] / "results" / "prediction_errors.md"
    found = predictions(Path(parse(__doc__, "store").store))
    texts = {"kernels": kernel_table(found), "sums": sum_table(found), "unfitted": unfitted_table()}
    text = page.read_text(encoding="utf-8")
    for marker, lines in texts.items():
        table = "\n".join(lines)
        print(f"{table}\n")
        pattern = re.compile(rf"(<!-- {marker} -->\n).*?(<!-- end {marker} -->)", re.DOTALL)
        text = pattern.sub(rf"\g<1>{table}\n\g<2>", text)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
