"""Attention: what the compiler fuses in one kernel, and in which precision."""

from collections.abc import Iterator, Sequence

from trtbench.audit.precision import QUANTIZED
from trtbench.errors import Code
from trtbench.lint.subject import BLOCK_SIZE, FORMAT_NAME, Attention, LintSubject
from trtbench.lint.wording import blocks_of, count, names, numbers_of
from trtbench.results import Finding, Severity

_LARGEST_HEAD = 256
_LARGEST_UNFUSED_HEAD = 8
"""Heads up to this size are not fused in 16 bits; FP8 pads them."""
_SMALLEST_FP8_HEAD = 16
_WIDE_MULTIPLE, _FP8_MULTIPLE = 8, 4
_FEWEST_KEYS = 32
"""Of FP8 attention that is fused."""


def head_dim_not_fused(subject: LintSubject) -> Iterator[Finding]:
    """Heads of more than 256, or in 16 bits of 8 or less, or whose V is wider or narrower than Q and K.

    Source: compiled layers (sm75 to sm121): two GEMMs that write the scores to memory. ONNX's operator
    Attention cannot be built then ("Attention operation was not supported by a dedicated kernel"). V: sm120,
    Q and K of 32 and 64 with V of 32 to 128, as in differential attention.
    """
    wrong = [each for each in _not_in_blocks(subject) if not _is_fused(each)]
    for is_operator in (False, True):
        alike = [each for each in wrong if each.is_operator == is_operator]
        if alike:
            effect = "it cannot be built as one operator" if is_operator else "they run as separate products"
            yield _finding(
                Code.HEAD_DIM_NOT_FUSED,
                "error" if is_operator else "warning",
                alike,
                f"with heads of {_widths(alike)}: {effect}",
                "choose heads of 16 to 256, and V as wide as Q and K",
                {"head_dim": alike[0].head_dim},
            )


def _widths(attentions: Sequence[Attention]) -> str:
    """Of the heads, and of their V where that is another."""
    values = [each.value_dim for each in attentions if each.value_dim is not None]
    widths = numbers_of(each.head_dim for each in attentions)
    return f"{widths} and V of {numbers_of(values)}" if values else widths


def _is_fused(attention: Attention) -> bool:
    if attention.value_dim is not None:
        return False
    smallest = 0 if attention.is_fp8 else _LARGEST_UNFUSED_HEAD
    return smallest < attention.head_dim <= _LARGEST_HEAD


def head_dim_padded(subject: LintSubject) -> Iterator[Finding]:
    """Heads that are padded: in 16 bits all but multiples of 8, in FP8 all but multiples of 4 from 16 on.

    Source: compiled layers: Q, K, V are copied into wider tensors and the result is cut, around the same
    fused kernel. A multiple of the block size, 16 or 32, is not needed.
    """
    wrong = [each for each in _not_in_blocks(subject) if _is_fused(each) and _is_padded(each)]
    if wrong:
        yield _finding(
            Code.HEAD_DIM_PADDED,
            "info",
            wrong,
            f"with heads of {numbers_of(each.head_dim for each in wrong)}: Q, K, V and the result are copied "
            "to and from a padded size",
            "choose heads that are a multiple of 8",
            {"head_dim": wrong[0].head_dim},
        )


def _is_padded(attention: Attention) -> bool:
    if attention.is_fp8:
        return attention.head_dim % _FP8_MULTIPLE != 0 or attention.head_dim < _SMALLEST_FP8_HEAD
    return attention.head_dim % _WIDE_MULTIPLE != 0


def few_keys(subject: LintSubject) -> Iterator[Finding]:
    """FP8 attention over fewer than 32 keys.

    Source: compiled layers: two FP8 GEMMs instead of the fused kernel; 16 bits are fused from 2 keys on.
    """
    wrong = [
        each for each in subject.attentions if each.is_fp8 and each.keys < _FEWEST_KEYS and each.queries > 1
    ]
    if wrong:
        yield _finding(
            Code.FEW_KEYS,
            "warning",
            wrong,
            f"in FP8 over {numbers_of(each.keys for each in wrong)} keys, fewer than 32: they run as "
            "separate products",
            "leave attention in 16 bits (drop +fp8attn), or use a larger image",
            {"keys": wrong[0].keys},
        )


def single_query(subject: LintSubject) -> Iterator[Finding]:
    """FP8 attention of one query, as in attention pooling.

    Source: compiled layers: ``_gemv_mha_v1`` in FP16.
    """
    wrong = [each for each in subject.attentions if each.is_fp8 and each.queries == 1]
    if wrong:
        yield _finding(
            Code.SINGLE_QUERY,
            "info",
            wrong,
            "in FP8 with a single query will run in 16 bits",
            "nothing to do: it is a small part of the work",
            {"keys": wrong[0].keys},
        )


def fp32_attention(subject: LintSubject) -> Iterator[Finding]:
    """Scores in FP32, with or without quantisers around them.

    Source: compiled layers: no fused kernel. A softmax in FP32 between casts is fused.
    """
    wrong = [each for each in _not_in_blocks(subject) if each.scores == "fp32"]
    for is_operator in (False, True):
        alike = [each for each in wrong if each.is_operator == is_operator]
        if alike:
            effect = "it cannot be built as one operator" if is_operator else "they run as separate products"
            yield _finding(
                Code.FP32_ATTENTION,
                "error" if is_operator else "warning",
                alike,
                f"in FP32: {effect}",
                "export the model in FP16 or BF16",
                {},
            )


def int8_attention(subject: LintSubject) -> Iterator[Finding]:
    """Attention with INT8 operands.

    Source: compiled layers: two INT8 GEMMs, not fused, on every target.
    """
    wrong = [each for each in subject.attentions if "int8" in each.precisions]
    if wrong:
        yield _finding(
            Code.INT8_ATTENTION,
            "warning",
            wrong,
            "in INT8: they run as separate products",
            "quantise Q, K, V and the softmax output to FP8, or leave attention in 16 bits",
            {},
        )


def block_attention(subject: LintSubject) -> Iterator[Finding]:
    """Attention with operands in a block format.

    Source: compiled layers: NVFP4 gives two FP4 GEMMs, a softmax between them and kernels that swizzle the
    scales, MXFP8 the same in 16 bits; 4-D tensors and a number of tokens that the block does not divide are
    refused (QUANTIZER_RANK, BLOCK_DOES_NOT_DIVIDE).
    """
    for precision, name in FORMAT_NAME.items():
        wrong = [each for each in subject.attentions if precision in each.precisions]
        if wrong:
            yield _finding(
                Code.BLOCK_ATTENTION,
                "warning",
                wrong,
                f"in {name}: they run as separate products, with the scores in memory",
                "quantise Q, K, V and the softmax output to FP8: that is fused",
                {},
            )


def partly_fp8_attention(subject: LintSubject) -> Iterator[Finding]:
    """FP8 for some of Q, K, V and the softmax output.

    Source: compiled layers: separate products, or with the softmax output alone (as ModelOpt's FP8 export
    has it) ``_gemm_mha_v1`` in FP16. The operator Attention takes no quantiser in its inside.
    """
    wrong = [each for each in _not_in_blocks(subject) if "fp8" in each.precisions and not each.is_fp8]
    for is_operator in (False, True):
        alike = [each for each in wrong if each.is_operator == is_operator]
        if alike:
            reason = "the operator Attention computes in 16 bits" if is_operator else _kernel_of_part(alike)
            yield _finding(
                Code.PARTLY_FP8_ATTENTION,
                "warning",
                alike,
                f"with FP8 for some operands: {reason}",
                "quantise all of Q, K, V and the softmax output, around separate products, or none",
                {},
            )


def _kernel_of_part(attentions: Sequence[Attention]) -> str:
    softmax_alone = all("fp8" not in each.precisions[:3] for each in attentions)
    return (
        "the softmax output alone gives the slower kernel _gemm_mha_v1 in 16 bits"
        if softmax_alone
        else "they run as separate products"
    )


def _not_in_blocks(subject: LintSubject) -> list[Attention]:
    """Attention that neither a block format nor INT8 keeps from being fused anyway."""
    unfused = BLOCK_SIZE.keys() | (QUANTIZED - {"fp8"})
    return [each for each in subject.attentions if not unfused & set(each.precisions)]


def _finding(
    code: Code,
    severity: Severity,
    attentions: Sequence[Attention],
    evidence: str,
    hint: str,
    numbers: dict[str, float],
) -> Finding:
    return Finding(
        code=code,
        severity=severity,
        message=f"{count(attentions, 'attention')}{blocks_of(attentions)} {evidence}",
        hint=hint,
        numbers={"attentions": len(attentions), **numbers},
        layers=names(attentions),
    )


RULES = (
    head_dim_not_fused,
    head_dim_padded,
    few_keys,
    single_query,
    fp32_attention,
    int8_attention,
    block_attention,
    partly_fp8_attention,
)
