from pathlib import Path

import pytest

from trtbench.audit import audit_engine
from trtbench.audit.evidence import Evidence
from trtbench.audit.findings import CHECKS, _ranges, find, one_operand_quantized
from trtbench.results import Audit, AuditedLayer, CompiledEngine, CompiledLayer, Finding
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"


def golden_layers(name: str) -> tuple[CompiledLayer, ...]:
    return CompiledEngine.model_validate_json((GOLDEN / f"{name}.layers.json").read_bytes()).layers


def audit_golden(
    name: str,
    layers: tuple[CompiledLayer, ...] | None = None,
    recipe: str | None = None,
    backend: str = "tensorrt_rtx 1.7.1",
    analytic_flops: dict[str, int] | None = None,
    sparsity: bool = False,
) -> Audit:
    return audit_engine(
        GOLDEN / f"{name}.onnx",
        golden_layers(name) if layers is None else layers,
        parse_recipe(recipe or name.replace("_", "@")),
        backend,
        analytic_flops,
        sparsity,
    )


def finding(audit: Audit, code: str) -> Finding:
    (found,) = [finding for finding in audit.findings if finding.code == code]
    return found


def codes(audit: Audit) -> set[str]:
    return {finding.code for finding in audit.findings}


def product(name: str, role: str, precision: str, flops: int = 1000, op: str = "gemm") -> AuditedLayer:
    return AuditedLayer(
        name=name,
        role=role,
        op=op,
        block=0,
        precision_in=precision,
        precision_out="fp16",
        flops=flops,
        bytes=10,
        onnx_nodes=(name,),
    )


def kernel(name: str) -> CompiledLayer:
    return CompiledLayer(
        name=name,
        layer_type="gemm",
        tactic_name="",
        stream_id=0,
        inputs=(),
        constants=(),
        outputs=(),
        onnx_nodes=(name,),
    )


def evidence(
    products: list[AuditedLayer],
    layers: list[AuditedLayer],
    recipe: str = "nvfp4",
    backend: str = "tensorrt 10.14",
) -> Evidence:
    return Evidence(
        recipe=parse_recipe(recipe),
        backend=backend,
        products=tuple(products),
        kernels=tuple(kernel(layer.name) for layer in layers),
        layers=tuple(layers),
    )


def test_findings_of_real_engines() -> None:
    """ViT-Ti/16 of one block, batch 8, built by TensorRT-RTX 1.7.1 for SM120."""
    assert {name: codes(audit_golden(name)) for name in ("fp16", "fp8_stock", "mxfp8", "nvfp4_stock")} == {
        "fp16": set(),
        "fp8_stock": {
            "ONE_OPERAND_QUANTIZED",
            "ATTENTION_SLOW_KERNEL",
            "ATTENTION_NOT_QUANTIZED",
            "QUANTIZE_KERNELS",
        },
        "mxfp8": {"EMULATED", "ATTENTION_NOT_QUANTIZED", "QUANTIZE_KERNELS"},
        "nvfp4_stock": {
            "GEMM_FELL_BACK",
            "ATTENTION_NOT_QUANTIZED",
            "FP32_ACTIVATIONS",
            "QUANTIZE_KERNELS",
            "SCALE_PADDING",
        },
    }


def test_every_finding_names_numbers_and_a_next_step() -> None:
    audits = [audit_golden(name) for name in ("fp8_stock", "mxfp8", "nvfp4_stock")]
    found = [finding for audit in audits for finding in audit.findings]
    assert all(finding.numbers and finding.hint and finding.layers for finding in found)


def test_sliced_qkv_falls_back() -> None:
    fell_back = finding(audit_golden("nvfp4_stock"), "GEMM_FELL_BACK")
    assert fell_back.severity == "warning"
    assert "1 of 5 GEMMs (qkv in block 0; 18.7%" in fell_back.message
    assert "slices the fused QKV weight in three" in fell_back.message
    assert "drop @stock" in fell_back.hint
    assert fell_back.numbers["gemms"] == 1
    assert fell_back.numbers["dequantize_kernels"] == 2
    # FP4 activations and weights with their FP8 scales in, FP16 out.
    assert fell_back.numbers["dequantize_bytes"] == sum(
        rows * 192 // 2 + rows * 192 // 16 + 2 * rows * 192 + 4 for rows in (8 * 197, 576)
    )
    assert "drop" not in finding(audit_golden("nvfp4_stock", recipe="nvfp4"), "GEMM_FELL_BACK").hint


def test_fall_back_without_a_slice() -> None:
    blocks = [product(f"b{i}", "fc1", "fp4").model_copy(update={"block": i}) for i in (0, 1, 2, 5)]
    ran = [layer.model_copy(update={"precision_in": "fp16"}) for layer in blocks]
    fine = product("head", "head", "fp4")
    fell_back = find(evidence([*blocks, fine], [*ran, fine]))[0]
    assert fell_back.code == "GEMM_FELL_BACK"
    assert "4 of 5 GEMMs (fc1 in blocks 0-2, 5; 80.0%" in fell_back.message
    assert "slices" not in fell_back.message
    assert fell_back.layers == ("b0", "b1", "b2", "b5")


def test_precision_that_never_runs_but_is_not_dequantized_is_no_emulation() -> None:
    asked = product("b0", "fc1", "fp4")
    found = find(evidence([asked], [asked.model_copy(update={"precision_in": "fp8"})]))
    assert {finding.code for finding in found} == {"GEMM_FELL_BACK"}


def test_emulation_takes_every_gemm() -> None:
    emulated = finding(audit_golden("mxfp8"), "EMULATED")
    assert "mxfp8 is emulated by tensorrt_rtx 1.7.1: 5 GEMMs asked in it (75.1%" in emulated.message
    assert emulated.numbers["quantize_kernels"] == 5
    assert emulated.numbers["linear_flops_share"] == pytest.approx(0.751, abs=0.001)
    assert "10.12" in emulated.hint


@pytest.mark.parametrize("backend", ["tensorrt_rtx 1.7.1", "tensorrt 10.14"])
def test_advice_on_an_emulation_is_for_the_backend(backend: str) -> None:
    hint = finding(audit_golden("mxfp8", backend=backend), "EMULATED").hint
    assert ("expect no gain from mxfp8 here" in hint) == ("rtx" in backend)
    assert ("or another backend for mxfp8" in hint) == ("rtx" not in backend)


def test_no_emulation_where_one_gemm_runs_as_asked() -> None:
    layers = list(golden_layers("mxfp8"))
    index = next(i for i, layer in enumerate(layers) if "/head/Gemm" in layer.onnx_nodes)
    head = layers[index]
    fp8 = [tensor.model_copy(update={"dtype": "FP8"}) for tensor in head.inputs]
    scale = head.inputs[0].model_copy(update={"dtype": "FP8UE8M0", "name": "scale"})
    layers[index] = head.model_copy(update={"inputs": (*fp8, scale)})
    audit = audit_golden("mxfp8", tuple(layers))
    assert "EMULATED" not in codes(audit)
    assert finding(audit, "GEMM_FELL_BACK").numbers["gemms"] == 4
    assert audit.by_role[-1].compiled == {"mxfp8": 1.0}


def test_fp32_in_front_of_quantizers() -> None:
    fp32 = finding(audit_golden("nvfp4_stock"), "FP32_ACTIVATIONS")
    rows = 8 * 197
    assert fp32.severity == "warning"
    assert fp32.message.endswith("; 4 because the graph casts to float in front of a quantizer")
    assert fp32.numbers == {"tensors": 4, "bytes": 4 * rows * (3 * 192 + 768), "read_by_quantizers": 4}


def test_fp32_elsewhere_is_worth_a_word() -> None:
    layers = [
        layer.model_copy(
            update={
                "inputs": tuple(t.model_copy(update={"dtype": "Float"}) for t in layer.inputs),
                "outputs": tuple(t.model_copy(update={"dtype": "Float"}) for t in layer.outputs),
            }
        )
        if layer.layer_type == "kgen" and "norm" not in "".join(layer.onnx_nodes)
        else layer
        for layer in golden_layers("fp16")
    ]
    fp32 = finding(audit_golden("fp16", tuple(layers)), "FP32_ACTIVATIONS")
    assert (fp32.severity, fp32.numbers["read_by_quantizers"]) == ("info", 0)
    assert "because" not in fp32.message


def test_padding_of_scales() -> None:
    padding = finding(audit_golden("nvfp4_stock"), "SCALE_PADDING")
    assert padding.severity == "info"
    assert padding.numbers["kernels"] == 4
    assert padding.numbers["rows"] == 8 * 197
    assert "1576 and 8 rows are not a multiple of 128" in padding.message


def test_quantize_kernels() -> None:
    quantize = finding(audit_golden("nvfp4_stock"), "QUANTIZE_KERNELS")
    assert quantize.numbers["quantize_kernels"] == 5
    assert quantize.numbers["dynamic_quantize_kernels"] == 5
    assert quantize.numbers["dequantize_and_scale_kernels"] == 9
    assert "static scales per tensor, as in fp8" in quantize.hint
    static = finding(audit_golden("fp8_stock"), "QUANTIZE_KERNELS")
    assert static.numbers["dynamic_quantize_kernels"] == 0
    assert "look with --layers" in static.hint


def test_attention_kernel_of_the_first_generation() -> None:
    slow = finding(audit_golden("fp8_stock"), "ATTENTION_SLOW_KERNEL")
    assert slow.severity == "warning"
    assert "only the softmax output is quantized" in slow.message


@pytest.mark.parametrize(("precision", "advice"), [("fp32", "use fp16 or bf16"), ("fp16", "keep Q K^T")])
def test_advice_on_separate_attention(precision: str, advice: str) -> None:
    attention = [product(f"/blocks/blocks.0/attn/MatMul{i}", "attention", precision) for i in ("", "_1")]
    hints = {found.code: found.hint for found in find(evidence(attention, attention, "fp16"))}
    assert hints["ATTENTION_NOT_FUSED"].startswith(advice)


def test_separate_attention() -> None:
    attention = [product(f"/blocks/blocks.0/attn/MatMul{i}", "attention", "fp16") for i in ("", "_1")]
    found = {finding.code: finding for finding in find(evidence(attention, attention, "fp16"))}
    assert found.keys() == {"ATTENTION_NOT_FUSED"}
    assert "2 separate products (attention in block 0; 20 B)" in found["ATTENTION_NOT_FUSED"].message


def test_attention_that_was_asked_in_fp8_and_ran_in_fp16() -> None:
    asked = [product("a", "attention", "fp8"), product("b", "attention", "fp8")]
    ran = product("mha", "attention", "fp16", op="attention")
    assert {finding.code for finding in find(evidence(asked, [ran], "fp8"))} == {
        "ATTENTION_FELL_BACK",
        "ATTENTION_NOT_QUANTIZED",
        "FLOPS_MISMATCH",
    }
    ran = product("mha", "attention", "fp8", flops=2000, op="attention")
    assert find(evidence(asked, [ran], "fp8")) == ()


@pytest.mark.parametrize(
    ("recipe", "requested", "backend", "advice"),
    [
        ("fp16+sparse", False, "tensorrt_rtx 1.7.1", "standard TensorRT"),
        ("fp16", True, "tensorrt_rtx 1.7.1", "standard TensorRT"),
        ("fp16+sparse", True, "tensorrt 10.14", "(Sparsity)"),
    ],
)
def test_sparsity_without_a_sparse_kernel(recipe: str, requested: bool, backend: str, advice: str) -> None:
    audit = audit_golden("fp16", recipe=recipe, sparsity=requested, backend=backend)
    unused = finding(audit, "SPARSITY_NOT_USED")
    assert unused.severity == "warning"
    assert advice in unused.hint


def test_sparsity_with_a_sparse_kernel() -> None:
    layers = [
        layer.model_copy(update={"tactic_name": "sm120_xmma_sparse_gemm_f16"})
        if layer.layer_type == "gemm"
        else layer
        for layer in golden_layers("fp16")
    ]
    assert codes(audit_golden("fp16", tuple(layers), sparsity=True)) == set()


def test_counts_of_flops_must_agree_within_one_percent() -> None:
    graph = audit_golden("fp16").onnx_flops
    assert codes(audit_golden("fp16", analytic_flops={"fc1": graph - graph // 101})) == set()
    mismatch = finding(
        audit_golden("fp16", analytic_flops={"fc1": graph // 2, "fc2": graph // 4}), "FLOPS_MISMATCH"
    )
    assert mismatch.message.startswith("the torch model counts 1.574 GFLOP and the graph 2.098")
    assert mismatch.numbers == {"flops": graph // 2 + graph // 4, "onnx_flops": graph}


def test_a_missing_kernel_shows_in_the_flops() -> None:
    layers = tuple(layer for layer in golden_layers("fp16") if "fc2" not in layer.name)
    assert finding(audit_golden("fp16", layers), "FLOPS_MISMATCH").message.startswith("the engine counts")
    assert "FLOPS_MISMATCH" in codes(audit_golden("fp16", ()))


def test_all_checks_are_listed() -> None:
    import trtbench.audit.findings as module

    public = {
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    }
    assert {name for name in public if not name.startswith("_")} - {"find"} == {
        check.__name__ for check in CHECKS
    }


@pytest.mark.parametrize(
    ("in_engine", "words"),
    [
        (["fp16 x int4"] * 2, ", which reads the quantized operand as it is"),
        (["fp16"] * 2, ", after a kernel that dequantizes"),
        (["fp16 x int4", "fp16"], "; 1 read the quantized operand as it is, the others run after a kernel"),
    ],
)
def test_what_dequantizes_weights_is_seen_in_the_engine(in_engine: list[str], words: str) -> None:
    products = [product(f"b{i}", "fc1", "fp16 x int4") for i in range(2)]
    layers = [product(f"b{i}", "fc1", precision) for i, precision in enumerate(in_engine)]
    (found,) = one_operand_quantized(evidence(products, layers))
    assert f"runs in the wider type{words}" in found.message


def test_layers_of_unknown_form_are_named() -> None:
    layers = (*golden_layers("fp16"), CompiledLayer.unread("[ShapeHostToDeviceCopy 0]"))
    found = finding(audit_golden("fp16", layers), "LAYERS_NOT_READ")
    assert found.layers == ("[ShapeHostToDeviceCopy 0]",)
    assert found.numbers["unread"] == 1


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({3}, "block 3"),
        ({0, 1}, "blocks 0-1"),
        ({0, 2}, "blocks 0, 2"),
        ({5, 0, 1, 2, 7, 8}, "blocks 0-2, 5, 7-8"),
    ],
)
def test_blocks_in_a_row_are_a_range(numbers: set[int], words: str) -> None:
    assert _ranges(numbers) == words
