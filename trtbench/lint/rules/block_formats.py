"""Linear layers in NVFP4 and MXFP8, and the dynamic quantisers in front of them."""

import math
from collections.abc import Iterator, Sequence

from trtbench.errors import Code
from trtbench.lint.subject import (
    BLOCK_SIZE,
    FORMAT_NAME,
    QUANTIZER_RANKS,
    LinearLayer,
    LintSubject,
    Quantizer,
)
from trtbench.lint.wording import count, names, numbers_of, places
from trtbench.results import Finding, Severity

_SCALE_ROWS = 128
_SCALE_COLUMNS = 64
"""Elements under one tile of NVFP4 scales, which compile to (rows / 128, K / 64, 32, 4, 4)."""


def quantizer_rank(subject: LintSubject) -> Iterator[Finding]:
    """A dynamic quantiser of a tensor with 1 dimension or more than 3.

    Source: ``NvInfer.h``, IDynamicQuantizeLayer; the parser says "input tensor must be 2D or 3D". This is the
    reason for attention tensors of shape (B*H, N, D) in block formats; FP8 attention may be 4-D.
    """
    wrong = [q for q in subject.dynamic_quantizers if len(q.shape) not in QUANTIZER_RANKS]
    if wrong:
        ranks = numbers_of(len(quantizer.shape) for quantizer in wrong)
        yield _refused(
            subject,
            Code.QUANTIZER_RANK,
            wrong,
            f"read tensors of {ranks} dimensions, and TensorRT quantises dynamically 2 or 3 alone",
            "reshape the activation to 2 or 3 dimensions in front of the quantiser",
            {"quantizers": len(wrong)},
        )


def block_does_not_divide(subject: LintSubject) -> Iterator[Finding]:
    """An extent along the quantised axis that is not a multiple of the block.

    Source: ``NvInfer.h``, IDynamicQuantizeLayer; the parser says "The given block size does not divide the
    input extent". In a Linear layer the axis is K, whatever the number of tokens; only ``P V`` of block
    quantised attention has its blocks along the tokens.
    """
    wrong = [q for q in _of_right_rank(subject) if q.shape[q.axis] % q.block]
    for precision in sorted({quantizer.precision for quantizer in wrong}):
        alike = [quantizer for quantizer in wrong if quantizer.precision == precision]
        extents = numbers_of(quantizer.shape[quantizer.axis] for quantizer in alike)
        block = alike[0].block
        yield _refused(
            subject,
            Code.BLOCK_DOES_NOT_DIVIDE,
            alike,
            f"have {extents} elements along the quantised axis, which blocks of {block} do not divide",
            f"make it a multiple of {block}, or use fp8, which has one scale per tensor",
            {"quantizers": len(alike), "block": block},
        )


def block_size(subject: LintSubject) -> Iterator[Finding]:
    """A block other than 16 for NVFP4 and 32 for MXFP8.

    Source: ``NvInfer.h``, IDynamicQuantizeLayer; the parser fails at the node.
    """
    wrong = [q for q in subject.dynamic_quantizers if q.block != BLOCK_SIZE[q.precision]]
    if wrong:
        yield _refused(
            subject,
            Code.BLOCK_SIZE,
            wrong,
            f"have blocks of {numbers_of(q.block for q in wrong)}: NVFP4 has 16, MXFP8 has 32",
            "quantise with the block size of the format",
            {"quantizers": len(wrong)},
        )


def block_axis(subject: LintSubject) -> Iterator[Finding]:
    """Blocks along an axis other than the last two.

    Source: ``NvInfer.h``, IDynamicQuantizeLayer; the parser says "axis should be the last or second to last
    dimension".
    """
    wrong = [q for q in _of_right_rank(subject) if q.axis not in (-1, -2, len(q.shape) - 1, len(q.shape) - 2)]
    if wrong:
        yield _refused(
            subject,
            Code.BLOCK_AXIS,
            wrong,
            "have blocks along an axis other than the last two",
            "quantise along K, the last axis of an activation",
            {"quantizers": len(wrong)},
        )


def single_block(subject: LintSubject) -> Iterator[Finding]:
    """K of one block: NVFP4 with K = 16 is dequantised, MXFP8 with K = 32 does not compile.

    Source: the compiler: an FP16 GEMM, and "CHECK(is_constant()) failed" in Myelin.
    """
    for precision, block in BLOCK_SIZE.items():
        layers = [
            layer for layer in subject.block_layers if layer.precision == precision and layer.k == block
        ]
        if layers:
            refused = precision == "mxfp8"
            effect = "the compiler fails" if refused else "they are dequantised and multiply in 16 bits"
            yield Finding(
                code=Code.SINGLE_BLOCK,
                severity="error" if refused else "warning",
                message=(
                    f"{count(layers, 'Linear layer')} ({places(layers)}) in {FORMAT_NAME[precision]} with K "
                    f"of one block, {block}: {effect}"
                ),
                hint="leave these layers in 16 bits, or use fp8, which compiles from K = 1",
                numbers={"layers": len(layers), "k": block},
                layers=names(layers),
            )


def odd_outputs(subject: LintSubject) -> Iterator[Finding]:
    """An odd number of outputs of a layer in a block format.

    Source: the compiler pads the weight whenever the engine runs, with a kernel in front of the product and
    one behind it; MXFP8 with N = 1 fails in Myelin, and ModelOpt packs FP4 in pairs only. FP8 and INT8
    compile from N = 1 on, although ModelOpt leaves out GEMMs with K or N below 16.
    """
    layers = [layer for layer in subject.linears if layer.precision in BLOCK_SIZE and layer.n % 2]
    if not layers:
        return
    refused = not subject.is_guarded and any(
        layer.n == 1 if layer.precision == "mxfp8" else subject.is_stock for layer in layers
    )
    if subject.is_guarded:
        effect = "our exporter leaves it in 16 bits"
    else:
        effect = "it cannot be built" if refused else "kernels pad the weight whenever the engine runs"
    yield Finding(
        code=Code.ODD_OUTPUTS,
        severity="error" if refused else "info",
        message=(
            f"{count(layers, 'Linear layer')} ({places(layers)}) with an odd number of outputs "
            f"({numbers_of(layer.n for layer in layers)}) in a block format: {effect}"
        ),
        hint="give the layer one output more, or leave it in 16 bits",
        numbers={"layers": len(layers), "n": layers[0].n},
        layers=names(layers),
    )


def fused_qkv(subject: LintSubject) -> Iterator[Finding]:
    """Q, K and V cut from the result of one NVFP4 product.

    Source: the compiler slices the weight in three, which breaks the FP4 pattern: the product runs in FP16,
    between kernels that dequantise both operands. FP8 is sliced in three FP8 products, INT8 stays one.
    """
    layers = tuple(layer for layer in subject.block_layers if layer.cut_in_three and layer.precision == "fp4")
    if layers:
        share = subject.linear_share(layers)
        yield Finding(
            code=Code.FUSED_QKV,
            severity="warning",
            message=(
                f"{count(layers, 'product')} ({places(layers)}; {share:.1%} of the FLOPs of Linear layers) "
                "for Q, K and V together in NVFP4 will run in 16 bits: the compiler slices the weight in "
                "three, which breaks the pattern"
            ),
            hint="drop @stock from the recipe" if subject.is_stock else "make Q, K and V three Linear layers",
            numbers={"layers": len(layers), "linear_flops_share": share},
            layers=names(layers),
        )


def quantizer_reads_fp32(subject: LintSubject) -> Iterator[Finding]:
    """A dynamic quantiser that reads FP32, as ModelOpt casts in front of ``TRT_FP4DynamicQuantize``.

    Source: compiled layers: the kernel in front writes the activation in FP32, twice the bytes.
    """
    wrong = [q for q in subject.dynamic_quantizers if q.kept and q.source == "fp32"]
    if wrong:
        extra_bytes = sum(2 * 2 * math.prod(quantizer.shape) for quantizer in wrong)
        yield Finding(
            code=Code.QUANTIZER_READS_FP32,
            severity="warning",
            message=(
                f"{count(wrong, 'dynamic quantiser')} ({places(wrong)}) read FP32: activations are written "
                f"and read in twice the bytes ({extra_bytes / 1e6:.1f} MB more)"
            ),
            hint=(
                "drop @stock from the recipe"
                if subject.is_stock
                else "remove the Cast to float: the quantiser takes FP16 and BF16"
            ),
            numbers={"quantizers": len(wrong), "extra_bytes": extra_bytes},
            layers=names(wrong),
        )


def rows_not_128(subject: LintSubject) -> Iterator[Finding]:
    """NVFP4 activations whose rows (batch times tokens) are not a multiple of 128.

    Source: compiled layers: one kernel more a quantiser, which pads the scales to tiles of 128 rows. It is
    the product that counts: 197 tokens need none at a batch of 128, and a class token costs nothing else.
    """
    wrong = [quantizer for quantizer in subject.fp4_quantizers if quantizer.rows % _SCALE_ROWS]
    if wrong:
        yield Finding(
            code=Code.ROWS_NOT_128,
            severity="info",
            message=(
                f"{count(wrong, 'NVFP4 quantiser')} ({places(wrong)}) of {numbers_of(q.rows for q in wrong)} "
                "rows, not a multiple of 128: an extra kernel each pads the scales"
            ),
            hint=_advice_on_rows(subject, wrong),
            numbers={"quantizers": len(wrong), "rows": max(quantizer.rows for quantizer in wrong)},
            layers=names(wrong),
        )


def _advice_on_rows(subject: LintSubject, wrong: Sequence[Quantizer]) -> str:
    if all(quantizer.role == "head" for quantizer in wrong):
        return "nothing to do: the head is a small part of the work"
    if subject.tokens is None or subject.batch is None:
        return "make batch times tokens a multiple of 128"
    tokens = subject.tokens
    step = _SCALE_ROWS // math.gcd(_SCALE_ROWS, tokens.number)
    side = tokens_side(subject.batch, tokens.number - tokens.prefix)
    return (
        f"use a batch that is a multiple of {step}, or an image of {side * tokens.patch} pixels without "
        f"class token and registers ({side * side} tokens)"
    )


def tokens_side(batch: int, patches: int) -> int:
    """Side of the smallest square of ``patches`` tokens or more of which ``batch`` fill tiles of 128 rows."""
    side = math.ceil(math.sqrt(patches))
    while batch * side * side % _SCALE_ROWS:
        side += 1
    return side


def columns_not_64(subject: LintSubject) -> Iterator[Finding]:
    """NVFP4 activations whose K is not a multiple of 64.

    Source: compiled layers: one kernel more a quantiser, which pads the scales to tiles of 4 scales. K of 32
    does so, K of 64 and 192 does not.
    """
    wrong = [
        quantizer
        for quantizer in subject.fp4_quantizers
        if quantizer.shape[-1] % _SCALE_COLUMNS and quantizer.shape[-1] > quantizer.block
    ]
    if wrong:
        yield Finding(
            code=Code.COLUMNS_NOT_64,
            severity="info",
            message=(
                f"{count(wrong, 'NVFP4 quantiser')} ({places(wrong)}) with K of "
                f"{numbers_of(q.shape[-1] for q in wrong)}, not a multiple of 64: an extra kernel each pads "
                "the scales"
            ),
            hint="choose a width that is a multiple of 64",
            numbers={"quantizers": len(wrong), "k": max(quantizer.shape[-1] for quantizer in wrong)},
            layers=names(wrong),
        )


def batched_quantizer(subject: LintSubject) -> Iterator[Finding]:
    """A dynamic NVFP4 quantiser of a 3-D activation with a batch of more than 1.

    Source: compiled layers: scales of shape (B, N, K/16) are rearranged by two kernels (one of which pads,
    where padding is needed); of a 2-D activation (B*N, K) of whole tiles the quantiser writes them in place.
    """
    wrong = [
        quantizer
        for quantizer in subject.fp4_quantizers
        if quantizer.is_dynamic and len(quantizer.shape) == max(QUANTIZER_RANKS) and quantizer.shape[0] > 1
    ]
    if wrong:
        yield Finding(
            code=Code.BATCHED_QUANTIZER,
            severity="info",
            message=(
                f"{count(wrong, 'NVFP4 quantiser')} ({places(wrong)}) of activations with "
                "a batch dimension: up to two more kernels each rearrange the scales"
            ),
            hint="reshape the activation to (B * N, K) in front of the quantiser, and back after the product",
            numbers={"quantizers": len(wrong)},
            layers=names(wrong),
        )


def _of_right_rank(subject: LintSubject) -> list[Quantizer]:
    return [quantizer for quantizer in subject.dynamic_quantizers if len(quantizer.shape) in QUANTIZER_RANKS]


def _refused(
    subject: LintSubject,
    code: Code,
    wrong: Sequence[Quantizer],
    evidence: str,
    hint: str,
    numbers: dict[str, float],
) -> Finding:
    """What the parser refuses in a graph; our exporter leaves the layer in 16 bits instead."""
    severity: Severity = "warning" if subject.is_guarded else "error"
    formats = " and ".join(sorted({FORMAT_NAME[quantizer.precision] for quantizer in wrong}))
    effect = "our exporter leaves their layers in 16 bits" if subject.is_guarded else "the model is refused"
    return Finding(
        code=code,
        severity=severity,
        message=f"{count(wrong, f'{formats} quantiser')} ({places(wrong)}) {evidence}: {effect}",
        hint=hint,
        numbers={**numbers, "linear_flops_share": _share_behind(subject, wrong)},
        layers=names(wrong),
    )


def _share_behind(subject: LintSubject, wrong: Sequence[Quantizer]) -> float:
    """Share of the Linear layers that the quantisers of a model feed; they bear the same name there."""
    fed = {quantizer.name for quantizer in wrong}
    layers: tuple[LinearLayer, ...] = tuple(layer for layer in subject.linears if layer.name in fed)
    return subject.linear_share(layers)


RULES = (
    quantizer_rank,
    block_does_not_divide,
    block_size,
    block_axis,
    single_block,
    odd_outputs,
    fused_qkv,
    quantizer_reads_fp32,
    rows_not_128,
    columns_not_64,
    batched_quantizer,
)
