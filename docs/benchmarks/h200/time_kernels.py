"""Time kernels of Vision Transformers one by one: products, attention, norms, GELUs, quantisers, copies.

    python docs/benchmarks/h200/time_kernels.py kernels.csv

Needs one NVIDIA GPU and torch 2.11 or later. Each row is one kernel in one shape, captured many times in a
CUDA graph: ``us`` is the graph's time over its kernels, the median of several replays. Activations are used
again and again; weights take turns, so that they come from DRAM. Bursts are short and far apart, and
``clock_mhz`` is what the driver said of the SMs during them.
"""

import csv
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pynvml
import torch
from arguments import check_gpu, parser
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

Call = Callable[[int], Any]
"""One launch; its number chooses the weights."""
Kernel = tuple[str, str, tuple[int, ...], Call]
"""Kind, precision, shape, launch."""

WIDTHS = (192, 384, 768, 1024, 1280)
TOKENS = (197, 257, 577)
BATCHES = (1, 4, 16, 64)
HEAD_COUNTS = (3, 6, 12, 16)
ATTENTION_BATCHES = (1, 4, 8, 32, 64)
SEQUENCES = (50, 197, 257, 577, 1025)
ROTATED_BYTES = 400e6
"""Weights in turn: eight times the L2 of an H200."""
GRAPH_US = 3000.0
MOST_CALLS = 200
REPLAYS = 7
PAUSE_S = 0.02
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}


def half(*shape: int) -> torch.Tensor:
    """Normal random numbers in FP16."""
    return torch.randn(shape, device="cuda", dtype=torch.float16)


def rows_of_models() -> list[int]:
    """M of products and rows of activations: tokens of all images of a batch."""
    return sorted({batch * tokens for batch in BATCHES for tokens in TOKENS})


def products() -> Iterator[Kernel]:
    """The four products of a block: with their bias in FP16, and with static scales in FP8."""
    for width in WIDTHS:
        for n, k in ((3 * width, width), (width, width), (4 * width, width), (width, 4 * width)):
            copies = max(2, min(MOST_CALLS, int(ROTATED_BYTES / (2 * n * k))))
            weights = [half(n, k) * k**-0.5 for _ in range(copies)]
            narrow = [weight.to(torch.float8_e4m3fn) for weight in weights]
            bias, one = half(n), torch.ones((), device="cuda")
            for m in rows_of_models():
                rows = half(m, k)
                yield "gemm", "fp16", (m, n, k), linear(rows, weights, bias)
                yield "gemm", "fp8", (m, n, k), scaled(rows.to(torch.float8_e4m3fn), narrow, one)


def linear(rows: torch.Tensor, weights: list[torch.Tensor], bias: torch.Tensor) -> Call:
    """``rows`` times each weight in turn, plus the bias."""
    return lambda turn: functional.linear(rows, weights[turn % len(weights)], bias)


def scaled(rows: torch.Tensor, weights: list[torch.Tensor], one: torch.Tensor) -> Call:
    """The same in FP8, with scales of 1 for whole tensors."""
    return lambda turn: torch._scaled_mm(
        rows, weights[turn % len(weights)].t(), one, one, out_dtype=torch.float16, use_fast_accum=True
    )


def attentions() -> Iterator[Kernel]:
    """Q, K and V as views of one tensor, as models have them."""
    for batch in ATTENTION_BATCHES:
        for sequence in SEQUENCES:
            for heads, width in [(heads, 64) for heads in HEAD_COUNTS] + [(16, 80)]:
                query, key, value = half(batch, sequence, 3, heads, width).permute(2, 0, 3, 1, 4)
                for name, backend in BACKENDS.items():
                    shape = (batch, sequence, heads, width)
                    yield f"attention {name}", "fp16", shape, attention(query, key, value, backend)


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, backend: SDPBackend) -> Call:
    """Fused attention by one of torch's libraries."""

    def call(_: int) -> torch.Tensor:
        with sdpa_kernel(backend):
            return functional.scaled_dot_product_attention(query, key, value)

    return call


def movers() -> Iterator[Kernel]:
    """Kernels that only move data, by rows and columns."""
    for width in WIDTHS:
        weight, bias = half(width), half(width)
        for rows in rows_of_models():
            narrow, wide, other = half(rows, width), half(rows, 4 * width), half(rows, width)
            images = half(rows // 197 or 1, 197, width) if rows % 197 == 0 else None
            yield "norm", "fp16", (rows, width), norm(narrow, weight, bias)
            yield "gelu", "fp16", (rows, 4 * width), lambda _, wide=wide: functional.gelu(wide)
            yield "add", "fp16", (rows, width), lambda _, a=narrow, b=other: a + b
            yield "copy", "fp16", (rows, width), lambda _, narrow=narrow: narrow.clone()
            yield "quantize", "fp8", (rows, width), lambda _, narrow=narrow: narrow.to(torch.float8_e4m3fn)
            yield "scale", "fp16", (rows, width), lambda _, narrow=narrow, weight=weight: narrow * weight
            if images is not None:
                yield "transpose", "fp16", (rows, width), transposed(images)
                yield "concatenate", "fp16", (rows, width), with_class_token(images)


def norm(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Call:
    """LayerNorm over the last axis."""
    return lambda _: functional.layer_norm(rows, rows.shape[-1:], weight, bias)


def transposed(images: torch.Tensor) -> Call:
    """Heads in front of tokens, as a copy."""
    heads = images.view(*images.shape[:2], -1, 64).transpose(1, 2)
    return lambda _: heads.contiguous()


def with_class_token(images: torch.Tensor) -> Call:
    """A row in front of each image's patches, which lie transposed, as the patch embedding leaves them."""
    token = half(1, 1, images.shape[2]).expand(images.shape[0], -1, -1)
    patches = half(images.shape[0], images.shape[2], images.shape[1] - 1).transpose(1, 2)
    return lambda _: torch.cat([token, patches], dim=1)


def patch_embeddings() -> Iterator[Kernel]:
    """Convolutions of images into patches, by rows of patches, width, and inputs of a patch."""
    for width in WIDTHS:
        for side, image in ((16, 224), (16, 384), (32, 224), (14, 224)):
            weight, bias = half(width, 3, side, side), half(width)
            for batch in BATCHES:
                images = half(batch, 3, image, image)
                shape = (batch * (image // side) ** 2, width, 3 * side * side)
                yield "patch embedding", "fp16", shape, convolution(images, weight, bias, side)


def convolution(images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, side: int) -> Call:
    """One patch embedding."""
    return lambda _: functional.conv2d(images, weight, bias, stride=side)


def captured(call: Call, count: int) -> torch.cuda.CUDAGraph:
    """``count`` launches in a graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for turn in range(count):
            call(turn)
    return graph


def replay_us(graph: torch.cuda.CUDAGraph, times: int) -> list[float]:
    """Time of each replay; the first warms up and does not count."""
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(times + 2)]
    for mark in marks:
        mark.record()
        graph.replay()
    torch.cuda.synchronize()
    return [1e3 * first.elapsed_time(second) for first, second in pairwise(marks[1:])]


def time_call(call: Call, gpu: Any) -> tuple[float, int, int]:
    """Median microseconds of one launch, launches in the graph, and the SM clock during them."""
    with torch.inference_mode():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):  # libraries choose their kernels before the capture
            for turn in range(3):
                call(turn)
        torch.cuda.synchronize()
        guess = statistics.median(replay_us(captured(call, 10), 3)) / 10
        count = max(10, min(MOST_CALLS, int(GRAPH_US / guess)))
        graph = captured(call, count)
        time.sleep(PAUSE_S)
        for _ in range(3):
            graph.replay()
        clock = pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)
        return statistics.median(replay_us(graph, REPLAYS)) / count, count, clock


def write_kernels(path: Path, kinds: Sequence[Callable[[], Iterator[Kernel]]], gpu: Any) -> None:
    """Write a row a kernel; one that no library has is left out."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        machine = (
            torch.cuda.get_device_name(),
            f"driver {pynvml.nvmlSystemGetDriverVersion()}",
            f"torch {torch.__version__}",
            f"cuDNN {torch.backends.cudnn.version()}",
            time.strftime("%Y-%m-%d"),
        )
        file.write(f"# {', '.join(machine)}\n")
        writer.writerow(["kernel", "precision", "shape", "us", "launches", "clock_mhz"])
        for kind in kinds:
            for kernel, precision, shape, call in kind():
                try:
                    us, count, clock = time_call(call, gpu)
                except RuntimeError as error:
                    torch.cuda.synchronize()
                    print(kernel, precision, shape, str(error).splitlines()[0], file=sys.stderr)
                    continue
                writer.writerow([kernel, precision, "x".join(map(str, shape)), f"{us:.4g}", count, clock])
                file.flush()


def main() -> None:
    """Time all kernels."""
    words = parser(__doc__)
    words.add_argument("file", type=Path)
    file = words.parse_args().file
    check_gpu()
    pynvml.nvmlInit()
    torch.manual_seed(0)
    write_kernels(
        file,
        [movers, patch_embeddings, attentions, products],
        pynvml.nvmlDeviceGetHandleByIndex(0),
    )


if __name__ == "__main__":
    main()
