"""Time kernels that torch.compile generates, and compiled Vision Transformers with the kernels that they run.

    python docs/benchmarks/h200/time_compiled.py kernels compiled_kernels.csv
    python docs/benchmarks/h200/time_compiled.py models compiled_models.json

Needs one NVIDIA GPU, torch 2.11 or later and timm. Generated kernels fuse what TensorRT's do, too: a residual
and a norm, a GELU and a quantiser. Files are those of ``time_kernels.py`` and ``time_models.py``.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pynvml
import torch
from arguments import check_gpu, parser
from time_kernels import Kernel, half, write_kernels
from time_models import Memories, burst, model_and_images, warm_up, weights_of, write_models
from torch._inductor.runtime.triton_heuristics import CachingAutotuner
from torch._inductor.select_algorithm import extern_kernels
from torch.nn import functional

WIDTHS = (384, 768, 1280)
ROWS = (197, 788, 3152, 12608, 36928)
MODELS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vit_tiny_patch16_224", {}),
    ("vit_small_patch16_224", {}),
    ("vit_base_patch16_224", {}),
    ("vit_base_patch32_224", {}),
    ("vit_base_patch16_384", {}),
    ("vit_large_patch16_224", {}),
    ("vit_base_patch16_224", {"depth": 6, "embed_dim": 512, "num_heads": 8}),
    ("vit_base_patch16_224", {"depth": 4, "embed_dim": 1536, "num_heads": 24}),
)
Function = Callable[..., Any]


def norm(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """LayerNorm over the last axis."""
    return functional.layer_norm(rows, rows.shape[-1:], weight, bias)


def residual_norm(rows: torch.Tensor, other: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Any:
    """The sum of two tensors, and its norm."""
    total = rows + other
    return total, norm(total, weight, bias)


def norm_fp8(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """A norm, quantised."""
    return fp8(norm(rows, weight, bias))


def fp8(rows: torch.Tensor) -> torch.Tensor:
    """With a static scale."""
    return (rows.float() * 0.25).clamp(-448, 448).to(torch.float8_e4m3fn)


def gelu_fp8(rows: torch.Tensor) -> torch.Tensor:
    """A GELU, quantised."""
    return fp8(functional.gelu(rows))


def mxfp8(rows: torch.Tensor) -> Any:
    """A power of two for each 32 elements."""
    blocks = rows.float().unflatten(-1, (-1, 32))
    exponent = torch.ceil(torch.log2(blocks.abs().amax(-1, keepdim=True).clamp(min=2**-100) / 448))
    narrow = (blocks * torch.exp2(-exponent)).clamp(-448, 448).to(torch.float8_e4m3fn)
    return narrow.flatten(-2), (exponent + 127).to(torch.uint8).squeeze(-1)


def fp4(rows: torch.Tensor) -> Any:
    """An E4M3 scale for each 16 elements; two elements in a byte, rounded on a grid of eight steps."""
    blocks = rows.float().unflatten(-1, (-1, 16))
    scale = (blocks.abs().amax(-1, keepdim=True) / 6).clamp(2**-9, 448).to(torch.float8_e4m3fn)
    size = (blocks / scale.float()).abs().clamp(max=6)
    step = torch.where(size < 2, 0.5, torch.where(size < 4, 1.0, 2.0))
    code = (size / step).round().to(torch.uint8) + torch.where(size < 2, 0, torch.where(size < 4, 2, 4)).to(
        torch.uint8
    )
    code = code | ((blocks < 0).to(torch.uint8) << 3)
    pairs = code.flatten(-2).unflatten(-1, (-1, 2))
    return pairs[..., 0] | (pairs[..., 1] << 4), scale.squeeze(-1)


def swapped(images: torch.Tensor) -> torch.Tensor:
    """Heads in front of tokens, as a copy."""
    return images.transpose(1, 2).contiguous()


def kernels() -> Iterator[Kernel]:
    """Each function compiled for each shape."""
    for width in WIDTHS:
        weight, bias = half(width), half(width)
        for rows in ROWS:
            narrow, other, wide = half(rows, width), half(rows, width), half(rows, 4 * width)
            heads = (
                half(rows // 197, 197, width // 64, 64) if rows % 197 == 0 else half(64, 577, width // 64, 64)
            )
            calls: list[tuple[str, str, int, Function, tuple[torch.Tensor, ...]]] = [
                ("norm", "fp16", width, norm, (narrow, weight, bias)),
                ("residual norm", "fp16", width, residual_norm, (narrow, other, weight, bias)),
                ("norm quantize", "fp8", width, norm_fp8, (narrow, weight, bias)),
                ("gelu", "fp16", 4 * width, functional.gelu, (wide,)),
                ("gelu quantize", "fp8", 4 * width, gelu_fp8, (wide,)),
                ("quantize", "fp8", width, fp8, (narrow,)),
                ("quantize", "mxfp8", width, mxfp8, (narrow,)),
                ("quantize", "fp4", width, fp4, (narrow,)),
                ("add", "fp16", width, torch.add, (narrow, other)),
                ("transpose", "fp16", width, swapped, (heads,)),
            ]
            for name, precision, columns, function, arguments in calls:
                compiled = torch.compile(function, dynamic=False)
                yield name, precision, (rows, columns), (lambda _, c=compiled, a=arguments: c(*a))
            torch._dynamo.reset()


@dataclass
class Recorder:
    """Keeps the kernels of compiled code: generated ones, and those of libraries."""

    memories: Memories
    operations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, inputs: list[Any], outputs: list[Any]) -> None:
        """Keep one kernel."""
        describe = self.memories.describe
        self.operations.append({"op": name, "inputs": describe(inputs), "outputs": describe(outputs)})

    def generated(self, run: Function) -> Function:
        """Triton kernels, whose arguments are named after what they are."""

        def call(kernel: Any, *args: Any, **kwargs: Any) -> Any:
            named = list(zip(kernel.fn.arg_names, args, strict=False))
            self.add(
                f"generated {kernel.inductor_meta.get('kernel_name', '')[:60]}",
                [each for name, each in named if not name.startswith("out_ptr")],
                [each for name, each in named if name.startswith(("out_ptr", "in_out_ptr"))],
            )
            return run(kernel, *args, **kwargs)

        return call

    def library(self, name: str, function: Function) -> Function:
        """Products, convolutions and attention."""

        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            self.add(name, list(args), [result[0] if isinstance(result, tuple) else result])
            return result

        return call


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Tell the recorder of all that compiled code launches."""
    libraries = ("flash", "cudnn", "efficient")
    attention = [getattr(torch.ops.aten, f"_scaled_dot_product_{name}_attention") for name in libraries]
    with ExitStack() as stack:
        stack.enter_context(patch.object(CachingAutotuner, "run", recorder.generated(CachingAutotuner.run)))
        for name in ("addmm", "mm", "convolution"):
            function = getattr(extern_kernels, name)
            stack.enter_context(patch.object(extern_kernels, name, recorder.library(name, function)))
        for packet in attention:
            stack.enter_context(
                patch.object(packet, "default", recorder.library("attention", packet.default))
            )
        yield


def time_model(name: str, overrides: dict[str, Any], batch: int, gpu: Any) -> dict[str, Any]:
    """One compiled model at one batch."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    model, images = model_and_images(name, overrides, batch)
    compiled = torch.compile(model, dynamic=False)
    recorder = Recorder(Memories(weights_of(model)))
    with torch.inference_mode():
        warm_up(compiled, images)
        with recording(recorder):
            compiled(images)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            compiled(images)
        us, clock = burst(graph, gpu)
    return {
        "model": name, "overrides": overrides, "batch": batch, "img_size": images.shape[-1], "us": us,
        "clock_mhz": clock, "operations": recorder.operations,
    }  # fmt: skip


def main() -> None:
    """Write what the first word names."""
    words = parser(__doc__)
    words.add_argument("what", choices=["kernels", "models"])
    words.add_argument("file", type=Path)
    arguments = words.parse_args()
    path = arguments.file
    check_gpu()
    torch.manual_seed(0)
    if arguments.what == "models":
        write_models(path, MODELS, time_model)
        return
    pynvml.nvmlInit()
    with torch.inference_mode():
        write_kernels(path, [kernels], pynvml.nvmlDeviceGetHandleByIndex(0))


if __name__ == "__main__":
    main()
