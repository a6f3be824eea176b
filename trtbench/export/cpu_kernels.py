"""NVFP4 and MXFP8 fake quantization on a CPU, equal to ModelOpt's CUDA kernels.

ModelOpt 0.47 quantises these two formats on CUDA only. Its operator is opaque to tracing, so another kernel
for it leaves the exported graph as it is. Reproduced are, under ``modelopt/torch/kernels/quantization/gemm``:
NVFP4 from ``fp4_kernel_hopper.py`` (the Triton kernel, chosen from compute capability 8.9 on), MXFP8 from
``tensor_quant_mx.cu``, which ModelOpt compiles with ``--use_fast_math`` (subnormal floats count as 0).

MXFP8 is equal bit by bit. The Triton kernel divides by multiplying with the GPU's approximate reciprocal
(``div.full.f32``), whose last bit differs from the exact one for 13 % of all mantissas on an H200. With that
reciprocal NVFP4 is equal bit by bit too; with the exact one, used here, a value that lies on the border
between two representable values can go the other way (tests/gpu/test_cpu_kernels.py shows both).
"""

import torch
from torch import Tensor

NVFP4_BLOCK = 16
MXFP8_BLOCK = 32
_E2M1_MAX = 6.0
_E4M3_MAX = 448.0
_SMALLEST_NVFP4_SCALE = 1e-5  # the Triton kernel takes 1.0 for every scale below it
_SMALLEST_NORMAL = torch.finfo(torch.float32).tiny
_OPERATOR = "dynamic_block_quantize_op"
_libraries: list[torch.library.Library] = []


def register() -> None:
    """Give ModelOpt's ``tensorrt::dynamic_block_quantize_op`` a CPU kernel; a second call does nothing."""
    if _libraries:
        return
    import modelopt.torch.quantization.tensor_quant  # noqa: F401  (defines the operator)

    library = torch.library.Library("tensorrt", "IMPL")  # type: ignore[no-untyped-call]
    library.impl(  # type: ignore[no-untyped-call]
        _OPERATOR, _dynamic_block_quantize, "CPU", allow_override=True
    )
    _libraries.append(library)  # a registration lives as long as its library object


def _dynamic_block_quantize(
    inputs: Tensor,
    block_size: int,
    amax: Tensor | None,
    num_bits: int,
    exponent_bits: int,
    scale_num_bits: int,
    scale_exponent_bits: int,
) -> Tensor:
    if torch.onnx.is_in_onnx_export():
        return inputs.clone()  # the graph records the operator; its values are discarded
    element = (exponent_bits, num_bits - exponent_bits - 1)
    scale = (scale_exponent_bits, scale_num_bits - scale_exponent_bits - 1)
    if (element, scale, block_size) == ((2, 1), (4, 3), NVFP4_BLOCK) and amax is not None:
        return fake_quantize_nvfp4(inputs, amax)
    if (element, scale, block_size) == ((4, 3), (8, 0), MXFP8_BLOCK):
        return fake_quantize_mxfp8(inputs)
    raise NotImplementedError(
        f"no CPU kernel for elements {element} with scales {scale} in blocks of {block_size}"
    )


def fake_quantize_nvfp4(x: Tensor, amax: Tensor) -> Tensor:
    """Quantise to E2M1 with an E4M3 scale per 16 values of the last dimension, and back.

    Args:
        x: ``(..., K)`` in float32, float16 or bfloat16; the last block is filled up with zeros.
        amax: magnitude that the largest representable value stands for; its largest element counts.
    """
    blocks = _blocks(x, NVFP4_BLOCK)
    magnitude = blocks.abs()
    # CUDA divides a tensor by a number as the product with the rounded reciprocal.
    global_scale = amax.float().max() * torch.tensor(1.0 / (_E2M1_MAX * _E4M3_MAX), dtype=torch.float32)
    global_scale = torch.where(global_scale > 0, global_scale, 1e-12)
    scale = _block_max(magnitude) * _reciprocal(_E2M1_MAX * global_scale)
    scale = torch.fmin(scale, scale.new_tensor(_E4M3_MAX))  # where a block is all NaN
    scale = scale.to(torch.float8_e4m3fn).float() * global_scale
    scale = torch.where(scale >= _SMALLEST_NVFP4_SCALE, scale, 1.0)
    rounded = _round_to_e2m1(magnitude.mul_(_reciprocal(scale))).mul_(scale)
    return _from_blocks(torch.where(blocks >= 0, rounded, -rounded), x)


def fake_quantize_mxfp8(x: Tensor) -> Tensor:
    """Quantise to E4M3 with a power-of-two scale per 32 values of the last dimension, and back.

    Args:
        x: ``(..., K)`` in float32, float16 or bfloat16; the last block is filled up with zeros.
    """
    blocks = _flush_subnormals(_blocks(x, MXFP8_BLOCK))
    largest = _block_max(blocks.abs().clamp_(max=torch.finfo(torch.float32).max))
    ratio = _flush_subnormals(largest / _E4M3_MAX)
    mantissa, exponent = torch.frexp(ratio)  # ratio = mantissa * 2**exponent, mantissa in [0.5, 1)
    exponent = torch.where(mantissa == 0.5, exponent - 1, exponent).clamp_(min=-127)
    exponent = torch.where(ratio == 0, -127, exponent)
    exponent = torch.where((largest == 0) | largest.isnan(), 0, exponent)
    one = torch.ones_like(ratio)
    scaled = (blocks * torch.ldexp(one, -exponent)).clamp_(-_E4M3_MAX, _E4M3_MAX)
    unscale = _flush_subnormals(torch.ldexp(one, exponent))
    return _from_blocks(_flush_subnormals(scaled.to(torch.float8_e4m3fn).float().mul_(unscale)), x)


def _blocks(x: Tensor, block: int) -> Tensor:
    """Float32 copy of ``x`` as ``(rows, blocks, block)``."""
    rows = x.reshape(-1, x.shape[-1]).to(torch.float32, copy=True)
    padding = -rows.shape[1] % block
    return torch.nn.functional.pad(rows, (0, padding)).view(rows.shape[0], -1, block)


def _from_blocks(blocks: Tensor, like: Tensor) -> Tensor:
    rows = blocks.view(blocks.shape[0], -1)[:, : like.shape[-1]]
    return rows.to(like.dtype).reshape(like.shape)


def _block_max(magnitude: Tensor) -> Tensor:
    """Largest value per block, ignoring NaN as the GPU does unless a block has nothing else."""
    largest = magnitude.amax(-1, keepdim=True)
    if not largest.isnan().any():
        return largest
    nan = magnitude.isnan()
    without = magnitude.masked_fill(nan, 0.0).amax(-1, keepdim=True)
    return torch.where(nan.all(-1, keepdim=True), largest, without)


def _reciprocal(x: Tensor) -> Tensor:
    return x.reciprocal()


def _round_to_e2m1(magnitude: Tensor) -> Tensor:
    """Nearest of 0, 0.5, 1, 1.5, 2, 3, 4, 6, ties to the even code; above 5, infinity and NaN give 6."""
    step = torch.where(magnitude < 2, 0.5, torch.where(magnitude < 4, 1.0, 2.0))
    rounded = (magnitude / step).round_().mul_(step)
    return torch.where(magnitude <= 5, rounded, _E2M1_MAX)


def _flush_subnormals(x: Tensor) -> Tensor:
    return torch.where(x.abs() < _SMALLEST_NORMAL, x * 0.0, x)
