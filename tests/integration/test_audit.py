"""Audits of real exports by the real compiler: ViT-Ti/16 of one block, batch 16, for SM120."""

from collections.abc import Callable
from functools import cache

import pytest

from trtbench.results import Audit, Finding
from trtbench.specs import BuildSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store

DEPTH = 1
AuditOf = Callable[[str], Audit]


@pytest.fixture(scope="module")
def audit_of(store: Store) -> AuditOf:
    from trtbench.audit.inspect import inspect_engine
    from trtbench.build import build
    from trtbench.export import export
    from trtbench.progress import silent

    @cache
    def audit(recipe: str) -> Audit:
        model = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", DEPTH),))
        onnx, _ = export(ExportSpec(model=model, recipe=parse_recipe(recipe), batch=16), store, silent)
        engine, _ = build(onnx, BuildSpec(targets=("sm120",)), store, silent)
        return inspect_engine(engine)

    return audit


def findings_of(audit: Audit) -> dict[str, Finding]:
    return {finding.code: finding for finding in audit.findings}


@pytest.mark.parametrize("recipe", ["fp16", "bf16", "fp8", "int8", "mxfp8", "nvfp4", "nvfp4@stock"])
def test_model_graph_and_engine_do_the_same_work(audit_of: AuditOf, recipe: str) -> None:
    audit = audit_of(recipe)
    assert audit.compiled_flops == pytest.approx(audit.onnx_flops, rel=0.01)
    assert audit.analytic_flops == pytest.approx(audit.onnx_flops, rel=0.01)
    assert "FLOPS_MISMATCH" not in findings_of(audit)
    for role in audit.by_role:
        compiled = sum(layer.flops for layer in audit.layers if layer.role == role.role)
        assert compiled == pytest.approx(role.flops, rel=0.01)
    assert [role.role for role in audit.by_role] == [
        "patch_embed",
        "qkv",
        "attention",
        "proj",
        "fc1",
        "fc2",
        "head",
    ]


@pytest.mark.parametrize("recipe", ["fp16", "bf16"])
def test_nothing_to_say_on_16_bits(audit_of: AuditOf, recipe: str) -> None:
    audit = audit_of(recipe)
    assert audit.findings == ()
    assert audit.gemm_flops_share == {recipe: 1.0}
    assert audit.attention_precision == recipe
    assert audit.quantize_kernels == 0


def test_stock_nvfp4_loses_every_qkv(audit_of: AuditOf) -> None:
    audit = audit_of("nvfp4@stock")
    fell_back = findings_of(audit)["GEMM_FELL_BACK"]
    assert fell_back.numbers["gemms"] == DEPTH
    assert "qkv in block 0" in fell_back.message
    assert findings_of(audit)["FP32_ACTIVATIONS"].numbers["read_by_quantizers"] == 4 * DEPTH
    qkv = next(role for role in audit.by_role if role.role == "qkv")
    assert (qkv.asked, qkv.onnx, qkv.compiled) == ("fp4", {"fp4": 1.0}, {"fp16": 1.0})


def test_our_nvfp4_keeps_every_qkv(audit_of: AuditOf) -> None:
    audit = audit_of("nvfp4")
    assert not findings_of(audit).keys() & {"GEMM_FELL_BACK", "EMULATED", "FP32_ACTIVATIONS"}
    linear = [role for role in audit.by_role if role.asked == "fp4"]
    assert [role.role for role in linear] == ["qkv", "proj", "fc1", "fc2", "head"]
    assert all(role.compiled == {"fp4": 1.0} for role in linear)


def test_mxfp8_is_emulated(audit_of: AuditOf) -> None:
    audit = audit_of("mxfp8")
    emulated = findings_of(audit)["EMULATED"]
    assert emulated.numbers["linear_flops_share"] > 0.5
    assert "GEMM_FELL_BACK" not in findings_of(audit)
    assert audit.gemm_flops_share == {"fp16": 1.0}


def test_fp8_quantizers_fold(audit_of: AuditOf) -> None:
    ours, stock = audit_of("fp8"), audit_of("fp8@stock")
    assert "ATTENTION_SLOW_KERNEL" in findings_of(stock)
    assert not findings_of(ours).keys() & {"ATTENTION_SLOW_KERNEL", "GEMM_FELL_BACK"}
    assert ours.gemm_flops_share.keys() == {"fp8", "fp16"}
    assert ours.other_bytes <= stock.other_bytes


def test_graph_of_an_exported_model_audits_alone(store: Store) -> None:
    from trtbench.audit import audit_onnx
    from trtbench.export import export
    from trtbench.progress import silent

    model = ModelSpec(name="vit_tiny_patch16_224", overrides=(("depth", DEPTH),))
    onnx, _ = export(ExportSpec(model=model, recipe=parse_recipe("nvfp4"), batch=16), store, silent)
    audit = audit_onnx(onnx.payload, onnx.manifest.spec.recipe, onnx.manifest.analytic_flops)
    assert audit.findings == ()
    assert all(role.onnx == {role.asked: 1.0} for role in audit.by_role)
