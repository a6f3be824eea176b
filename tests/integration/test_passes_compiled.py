"""What the compiler makes of each pass: the same model with all passes, and with all but one."""

from collections.abc import Callable
from functools import cache

import pytest

from trtbench.audit.inspect import inspect_engine
from trtbench.build import build
from trtbench.export import export
from trtbench.export.passes import GRAPH_PASSES, MODEL_PASSES
from trtbench.progress import silent
from trtbench.results import Audit
from trtbench.specs import BuildSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store

MODEL = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", 1),))
BATCH, TOKENS, WIDTH = 16, 197, 192
NAMES = [candidate.name for candidate in (*MODEL_PASSES, *GRAPH_PASSES)]
BYTES_OF_A_TENSOR = BATCH * TOKENS * WIDTH * 2
"""In 16 bits, one number a channel."""

AuditOf = Callable[..., Audit]


@pytest.fixture(scope="module")
def audit_of(store: Store) -> AuditOf:
    @cache
    def audit(recipe: str, without: str | None = None) -> Audit:
        passes = None if without is None else tuple(name for name in NAMES if name != without)
        spec = ExportSpec(model=MODEL, recipe=parse_recipe(recipe), batch=BATCH, passes=passes)
        engine, _ = build(export(spec, store)[0], BuildSpec(), store, silent)
        return inspect_engine(engine)

    return audit


def share_of(audit: Audit, role: str, precision: str) -> float:
    (coverage,) = [coverage for coverage in audit.by_role if coverage.role == role]
    return (coverage.compiled or {}).get(precision, 0.0)


def test_split_qkv_brings_the_projection_to_fp4(audit_of: AuditOf) -> None:
    assert share_of(audit_of("nvfp4", "split_qkv"), "qkv", "fp16") == 1
    assert share_of(audit_of("nvfp4"), "qkv", "fp4") == 1


def test_split_qkv_leaves_one_product(audit_of: AuditOf) -> None:
    assert audit_of("nvfp4").gemm_kernels == audit_of("fp16").gemm_kernels


@pytest.mark.parametrize("name", ["fold_kv_bias", "zero_kv_bias"])
def test_k_and_v_need_no_kernel_for_their_bias(audit_of: AuditOf, name: str) -> None:
    saved = audit_of("nvfp4", name).other_bytes - audit_of("nvfp4").other_bytes
    assert saved >= 2 * BYTES_OF_A_TENSOR  # V at least, read and written


def test_attention_scale_saves_kernels_in_int8(audit_of: AuditOf) -> None:
    before, after = audit_of("int8", "attention_scale"), audit_of("int8")
    assert before.other_kernels > after.other_kernels
    assert before.other_bytes - after.other_bytes >= 2 * BYTES_OF_A_TENSOR


def gelus_in_16_bits(audit: Audit) -> list[str]:
    return [layer.name for layer in audit.layers if layer.op == "gelu" and layer.precision_out == "fp16"]


def test_gelu_is_not_written_in_16_bits(audit_of: AuditOf) -> None:
    before, after = audit_of("nvfp4", "gelu_quantizer"), audit_of("nvfp4")
    assert len(gelus_in_16_bits(before)) == 1
    assert not gelus_in_16_bits(after)
    # Written and read: 4 widths in 16 bits; its input is read once more.
    assert before.other_bytes - after.other_bytes >= 0.9 * 4 * BYTES_OF_A_TENSOR


def test_attention_is_not_copied_before_it_is_quantised(audit_of: AuditOf) -> None:
    before, after = audit_of("nvfp4", "attention_quantizer"), audit_of("nvfp4")
    assert before.other_bytes - after.other_bytes >= 0.8 * BYTES_OF_A_TENSOR


def test_flat_tokens_save_kernels_that_arrange_scales(audit_of: AuditOf) -> None:
    before, after = audit_of("nvfp4", "flat_tokens"), audit_of("nvfp4")
    assert before.quantize_kernels - after.quantize_kernels >= 2
    assert before.other_bytes > after.other_bytes


def test_the_last_norm_passes_no_fp32_on(audit_of: AuditOf) -> None:
    before, after = audit_of("nvfp4", "class_token_norm"), audit_of("nvfp4")
    # The sum is written no more, and read once less, in 32 bits and in 16.
    assert before.other_bytes - after.other_bytes >= 2 * BYTES_OF_A_TENSOR


def kernels_into_attention(audit: Audit) -> list[str]:
    """Kernels other than products that give attention an operand."""
    (attention,) = [layer for layer in audit.layers if layer.op == "attention"]
    operands = {tensor.name for tensor in attention.inputs}
    makers = [layer for layer in audit.layers if operands & {tensor.name for tensor in layer.outputs}]
    return [layer.name for layer in makers if layer.op != "gemm"]


def test_stacked_biases_leave_one_kernel_that_quantises_q_k_and_v(audit_of: AuditOf) -> None:
    before, after = audit_of("nvfp4+fp8attn", "stack_qkv_bias"), audit_of("nvfp4+fp8attn")
    assert before.other_kernels - after.other_kernels == 2
    assert len(kernels_into_attention(before)) == 3
    assert len(kernels_into_attention(after)) == 1


def test_fp8_products_give_attention_k_and_v_in_fp8(audit_of: AuditOf) -> None:
    before, after = audit_of("fp8+fp8attn", "fold_kv_bias"), audit_of("fp8+fp8attn")
    assert len(kernels_into_attention(before)) == 3
    assert len(kernels_into_attention(after)) == 1  # of Q, which has a bias
    products = [layer for layer in after.layers if layer.op == "gemm" and layer.role == "qkv"]
    assert sorted(layer.precision_out for layer in products) == ["fp16", "fp8", "fp8"]


def test_flat_gelu_is_not_written_once_more(audit_of: AuditOf) -> None:
    recipe = "nvfp4:proj=fp8+fp8attn"
    saved = audit_of(recipe, "flat_tokens").other_bytes - audit_of(recipe).other_bytes
    assert saved >= 4 * BYTES_OF_A_TENSOR


def test_fp8_attention_is_an_fp8_kernel(audit_of: AuditOf) -> None:
    assert audit_of("nvfp4").attention_precision == "fp16"
    assert audit_of("nvfp4+fp8attn").attention_precision == "fp8"
    assert audit_of("nvfp4+fp8attn").attention_kernels == 1


@pytest.mark.parametrize("recipe", ["nvfp4+fp8attn", "fp8+fp8attn"])
def test_attention_gives_fp8_to_a_quantised_projection(audit_of: AuditOf, recipe: str) -> None:
    (attention,) = [layer for layer in audit_of(recipe).layers if layer.op == "attention"]
    assert attention.precision_out == "fp8"


@pytest.mark.parametrize("recipe", ["nvfp4", "nvfp4+fp8attn", "fp8", "fp8+fp8attn"])
def test_nothing_falls_back_and_no_large_activation_is_fp32(audit_of: AuditOf, recipe: str) -> None:
    codes = {finding.code for finding in audit_of(recipe).findings}
    assert codes.isdisjoint({"GEMM_FELL_BACK", "FP32_ACTIVATIONS", "FLOPS_MISMATCH"})
