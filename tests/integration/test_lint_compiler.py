"""Every design rule is shown the compiler: a graph that breaks it and a twin that does not, for SM120.

What a rule predicts must be seen in what TensorRT-RTX makes of the first graph, and not of the second. Rules
of others that the compiler refutes have their test here too; docs/how_to/lint.md tells them.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from support.lint_graphs import (
    Sketch,
    attention,
    attention_operator,
    biased,
    constant_of,
    convolution,
    int8_linear,
    integer_product,
    linear,
    normed_linear,
    qkv,
)

from trtbench.build import build
from trtbench.build.backends import child_command
from trtbench.build.dialect import import_compiler
from trtbench.lint import lint
from trtbench.lint.rules import RULES
from trtbench.results import CompiledEngine, CompiledLayer, LayerTensor
from trtbench.specs import BuildSpec
from trtbench.specs.build import BuildPaths
from trtbench.store.artifacts import Store

Layers = tuple[CompiledLayer, ...]
BF16 = ml_dtypes.bfloat16


@dataclass(frozen=True)
class Case:
    """A rule, a graph that breaks it and one that keeps it, and what the compiler makes of the first."""

    rule: str
    breaks: Sketch
    keeps: Sketch
    effect: Callable[[Layers], bool] | str
    target: str = "sm120"

    def __str__(self) -> str:
        return self.rule


def products(layers: Layers) -> list[str]:
    """Type of the first input of each GEMM and convolution."""
    of_products = [layer for layer in layers if layer.layer_type in ("gemm", "correlation", "runtime_fusion")]
    return [layer.inputs[0].dtype for layer in of_products]


def is_fused(layers: Layers) -> bool:
    return any(layer.name.startswith("_gemm_mha_v2") for layer in layers)


def is_not_fused(layers: Layers) -> bool:
    return not is_fused(layers) and len(products(layers)) == 2


def runs_in_half(layers: Layers) -> bool:
    return set(products(layers)) == {"Half"}


def pads_scales(layers: Layers) -> bool:
    """A kernel whose FP8 result is larger than what it reads of FP8 activations."""
    return any(
        sum(map(elements, layer.outputs)) > elements(layer.inputs[0])
        for layer in layers
        if {tensor.dtype for tensor in (*layer.inputs[:1], *layer.outputs)} == {"FP8"}
    )


def moves_scales(layers: Layers) -> bool:
    return any({t.dtype for t in (*layer.inputs, *layer.outputs)} == {"FP8"} for layer in layers)


def writes_float(layers: Layers) -> bool:
    return any(tensor.dtype == "Float" for layer in layers[:-1] for tensor in layer.outputs)


def pads_heads(layers: Layers) -> bool:
    """Fused, on wider heads than the graph's."""
    fused = next(layer for layer in layers if layer.name.startswith("_gemm_mha_v2"))
    return fused.inputs[0].dimensions[-1] > min(layer.outputs[0].dimensions[-1] for layer in layers)


def elements(tensor: LayerTensor) -> int:
    return int(np.prod(tensor.dimensions))


def pads_weights(layers: Layers) -> bool:
    """A kernel beside the product that reads FP4 alone and writes more of it."""
    return any(layer.layer_type == "runtime_function" for layer in layers)


def drops_pixels(layers: Layers) -> bool:
    """4 x 4 patches of 16 pixels, of an image of 70."""
    return any(tensor.dimensions == (2, 64, 4, 4) for layer in layers for tensor in layer.outputs)


CASES = [
    Case("TARGET_LACKS_TYPE", linear("nvfp4", (128, 256)), linear("fp8", (128, 256)), "HW-specific", "sm89"),
    Case("TARGET_LACKS_TYPE", linear("fp8", (128, 256)), linear("int8", (128, 256)), "HW-specific", "sm86"),
    Case("TARGET_LACKS_TYPE", linear("mxfp8", (128, 256)), linear("int8", (128, 256)), "HW-specific", "sm86"),
    Case("MXFP8_EMULATED", linear("mxfp8", (128, 256)), linear("nvfp4", (128, 256)), runs_in_half),
    Case("MXFP8_EMULATED", linear("mxfp8", (128, 256)), linear("fp8", (128, 256)), runs_in_half, "sm89"),
    Case(
        "DYNAMIC_SHAPE",
        linear("fp16", ("N", 128, 256)),
        linear("fp16", (8, 128, 256)),
        "optimization profile",
    ),
    Case("FOREIGN_TYPE", constant_of(ml_dtypes.float8_e5m2), constant_of(np.int32), "cannot be imported"),
    Case("FOREIGN_TYPE", constant_of(np.int16), constant_of(np.uint8), "unsupported datatype"),
    Case("ASYMMETRIC_QUANTIZER", int8_linear(zero_point=3), int8_linear(), "buildZeroPointTensor"),
    Case("ASYMMETRIC_QUANTIZER", int8_linear(weight_kind=np.uint8), int8_linear(), "checkNotInvalidType"),
    Case(
        "UNSIGNED_QUANTIZER",
        int8_linear(kind=np.uint8),
        linear("fp8", (128, 256)),
        lambda layers: products(layers) == ["Int8"],
    ),
    Case("INTEGER_OPERATOR", integer_product(), linear("int8", (64, 64), 64), "MatMulInteger"),
    Case("INT32_BIAS", biased(np.int32), biased(np.int8), "input has type Int32"),
    Case("CONVOLUTION_PRECISION", convolution("fp8", "fp8"), convolution("int8", "int8"), runs_in_half),
    Case(
        "CONVOLUTION_PRECISION",
        convolution("fp8", "fp8", pixels=(3, 11)),
        convolution("fp8", "fp8", pixels=(4, 8)),
        runs_in_half,
    ),
    Case("CONVOLUTION_PRECISION", convolution("fp16", "fp8"), convolution("int8", "int8"), runs_in_half),
    Case("PIXELS_DROPPED", convolution("fp16", "fp16", 70), convolution("fp16", "fp16", 80), drops_pixels),
    Case("QUANTIZER_RANK", linear("nvfp4", (256,)), linear("nvfp4", (128, 256)), "must be 2D or 3D"),
    Case("QUANTIZER_RANK", linear("mxfp8", (2, 2, 32, 256)), linear("mxfp8", (4, 32, 256)), "2D or 3D"),
    Case(
        "BLOCK_DOES_NOT_DIVIDE", linear("nvfp4", (128, 200)), linear("nvfp4", (128, 208)), "does not divide"
    ),
    Case(
        "BLOCK_DOES_NOT_DIVIDE", linear("mxfp8", (128, 208)), linear("mxfp8", (128, 224)), "does not divide"
    ),
    Case(
        "BLOCK_DOES_NOT_DIVIDE",
        attention("nvfp4", (6, 197, 64)),
        attention("nvfp4", (6, 208, 64)),
        "block size does not divide the input extent in axis 2Input extent = 197",
    ),
    Case(
        "BLOCK_SIZE", linear("nvfp4", (128, 256), block=32), linear("nvfp4", (128, 256)), "FP4DynamicQuantize"
    ),
    Case(
        "BLOCK_SIZE", linear("mxfp8", (128, 256), block=16), linear("mxfp8", (128, 256)), "MXFP8DynamicQuant"
    ),
    Case(
        "BLOCK_AXIS", linear("nvfp4", (16, 32, 256), axis=0), linear("nvfp4", (16, 32, 256)), "axis should be"
    ),
    Case("SINGLE_BLOCK", linear("nvfp4", (128, 16)), linear("nvfp4", (128, 32)), runs_in_half),
    Case("SINGLE_BLOCK", linear("mxfp8", (128, 32)), linear("mxfp8", (128, 64)), "CHECK(is_constant())"),
    Case("ODD_OUTPUTS", linear("nvfp4", (128, 256), 255), linear("nvfp4", (128, 256), 256), pads_weights),
    Case(
        "ODD_OUTPUTS", linear("mxfp8", (128, 256), 1), linear("mxfp8", (128, 256), 2), "CHECK(is_constant())"
    ),
    Case("FUSED_QKV", qkv("nvfp4", "split"), qkv("nvfp4", "whole"), runs_in_half),
    Case("FUSED_QKV", qkv("nvfp4", "gather"), qkv("fp8", "gather"), runs_in_half),
    Case("QUANTIZER_READS_FP32", normed_linear("nvfp4", True), normed_linear("nvfp4"), writes_float),
    Case("ROWS_NOT_128", linear("nvfp4", (197, 256)), linear("nvfp4", (256, 256)), pads_scales),
    Case("ROWS_NOT_128", linear("nvfp4", (4, 197, 256)), linear("nvfp4", (128, 197, 256)), pads_scales),
    Case("COLUMNS_NOT_64", linear("nvfp4", (128, 96)), linear("nvfp4", (128, 192)), pads_scales),
    Case("BATCHED_QUANTIZER", normed_linear("nvfp4"), normed_linear("nvfp4", flat=True), moves_scales),
    Case("BATCHED_QUANTIZER", linear("nvfp4", (2, 256, 256)), linear("nvfp4", (1, 256, 256)), moves_scales),
    Case(
        "HEAD_DIM_NOT_FUSED", attention(shape=(2, 3, 197, 8)), attention(shape=(2, 3, 197, 16)), is_not_fused
    ),
    Case(
        "HEAD_DIM_NOT_FUSED",
        attention("fp8", (2, 3, 197, 264)),
        attention("fp8", (2, 3, 197, 256)),
        is_not_fused,
    ),
    Case("HEAD_DIM_NOT_FUSED", attention_operator(8), attention_operator(16), "dedicated kernel"),
    Case("HEAD_DIM_PADDED", attention(shape=(2, 3, 197, 20)), attention(shape=(2, 3, 197, 24)), pads_heads),
    Case("HEAD_DIM_PADDED", attention("fp8", (2, 3, 197, 18)), attention("fp8", (2, 3, 197, 20)), pads_heads),
    Case("HEAD_DIM_PADDED", attention("fp8", (2, 3, 197, 8)), attention("fp8", (2, 3, 197, 16)), pads_heads),
    Case("FEW_KEYS", attention("fp8", (2, 3, 31, 64)), attention("fp8", (2, 3, 32, 64)), is_not_fused),
    Case(
        "FEW_KEYS",
        attention("fp8", (2, 3, 197, 64), keys=16),
        attention("fp8", (2, 3, 16, 64), keys=197),
        is_not_fused,
    ),
    Case(
        "SINGLE_QUERY",
        attention("fp8", (2, 3, 1, 64), keys=197),
        attention("fp8", (2, 3, 16, 64), keys=197),
        lambda layers: [layer.name[:9] for layer in layers if "mha" in layer.name] == ["_gemv_mha"],
    ),
    Case("FP32_ATTENTION", attention(dtype=np.float32), attention(dtype=BF16), is_not_fused),
    Case("FP32_ATTENTION", attention("fp8", dtype=np.float32), attention("fp8", dtype=BF16), is_not_fused),
    Case("FP32_ATTENTION", attention_operator(dtype=np.float32), attention_operator(), "dedicated kernel"),
    Case("INT8_ATTENTION", attention("int8"), attention("fp8"), is_not_fused),
    Case("BLOCK_ATTENTION", attention("nvfp4", (6, 256, 64)), attention("fp8", (6, 256, 64)), is_not_fused),
    Case("BLOCK_ATTENTION", attention("mxfp8", (6, 256, 64)), attention("fp8", (6, 256, 64)), is_not_fused),
    Case("PARTLY_FP8_ATTENTION", attention(("fp8", "fp8", "", "")), attention("fp8"), is_not_fused),
    Case(
        "PARTLY_FP8_ATTENTION",
        attention(("", "", "", "fp8")),
        attention(),
        lambda layers: any(layer.name.startswith("_gemm_mha_v1") for layer in layers),
    ),
    Case(
        "PARTLY_FP8_ATTENTION",
        attention_operator(precision="fp8"),
        attention("fp8"),
        lambda layers: all(layer.inputs[0].dtype == "Half" for layer in layers if "mha" in layer.name),
    ),
]
_WITHOUT_CASE = {
    "sparsity_ignored": "test_lint_models.py: needs the exporter",
    "patch_embedding_in_16_bits": "test_lint_models.py: about models alone",
    "products_not_judged": "tells of what was not judged",
}


def compiled(path: Path, store: Store, target: str = "sm120") -> Layers:
    """Kernels of the engine, without those that synchronise."""
    engine, _ = build(path, BuildSpec(targets=(target,)), store)
    layers = CompiledEngine.model_validate_json((engine.directory / "layers.json").read_bytes()).layers
    return tuple(layer for layer in layers if layer.layer_type not in ("signal", "wait"))


def codes(path: Path, target: str = "sm120") -> set[str]:
    report = lint(path, targets=(target,))
    return {finding.code for section in report.sections for finding in section.findings}


def words_of_refusal(path: Path, target: str) -> str:
    """What the compiler itself says of a model that it must refuse, whatever ``build`` checks before."""
    names = ("model.engine", "build.log", "inspector.json", "timing.cache")
    paths = BuildPaths(path, *(path.with_name(name) for name in names))
    version = str(import_compiler("tensorrt_rtx").__version__)
    command = child_command(BuildSpec(targets=(target,)), version, paths, [sys.executable])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return paths.log.read_text() + done.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_compiler_confirms(case: Case, tmp_path: Path, store: Store) -> None:
    breaks, keeps = case.breaks.save(tmp_path / "breaks.onnx"), case.keeps.save(tmp_path / "keeps.onnx")
    assert case.rule in codes(breaks, case.target)
    assert case.rule not in codes(keeps, case.target)
    kept = compiled(keeps, store, case.target)
    if isinstance(case.effect, str):
        assert case.effect in words_of_refusal(breaks, case.target)
    else:
        assert case.effect(compiled(breaks, store, case.target))
        assert not case.effect(kept)


def test_every_rule_has_a_case() -> None:
    assert {rule.__name__ for rule in RULES} == {case.rule.lower() for case in CASES} | _WITHOUT_CASE.keys()


@pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(case.effect, str)], ids=lambda case: f"{case} {case.target}"
)
def test_what_is_refused_is_an_error(case: Case, tmp_path: Path) -> None:
    report = lint(case.breaks.save(tmp_path / "breaks.onnx"), targets=(case.target,))
    severities = {f.code: f.severity for section in report.sections for f in section.findings}
    assert severities[case.rule] == "error"
    assert report.has_errors


REFUTED = {
    "FP8 attention needs tokens that the block divides": (
        attention("fp8", (2, 3, 197, 64)),
        attention("fp8", (2, 3, 224, 64)),
    ),
    "FP8 attention needs 3-D tensors": (attention("fp8", (2, 3, 256, 64)), attention("fp8", (6, 256, 64))),
    "FP8 attention needs heads that the block divides": (
        attention("fp8", (2, 3, 197, 20)),
        attention("fp8", (2, 3, 197, 32)),
    ),
    "FP8 attention needs the scale in front": (
        attention("fp8", scale_behind=True),
        attention("fp8"),
    ),
    "FP8 attention takes no bias": (attention("fp8", bias=True), attention("fp8")),
    "attention in 16 bits takes no bias": (attention(bias=True), attention()),
}


@pytest.mark.parametrize("rule", REFUTED)
def test_the_compiler_refutes_for_attention(rule: str, tmp_path: Path, store: Store) -> None:
    breaks, keeps = (sketch.save(tmp_path / f"{i}.onnx") for i, sketch in enumerate(REFUTED[rule]))
    first, second = compiled(breaks, store), compiled(keeps, store)
    assert is_fused(first)
    assert is_fused(second)
    assert codes(breaks) == codes(keeps) == set()


@pytest.mark.parametrize("precision", ["fp8", "int8"])
@pytest.mark.parametrize(("k", "n"), [(1, 64), (8, 64), (256, 2), (256, 8)])
def test_small_gemms_compile_as_asked(precision: str, k: int, n: int, tmp_path: Path, store: Store) -> None:
    """ModelOpt leaves out GEMMs with K or N below 16."""
    small = linear(precision, (128, k), n).save(tmp_path / "small.onnx")
    large = linear(precision, (128, 64), 64).save(tmp_path / "large.onnx")
    assert products(compiled(small, store)) == products(compiled(large, store))
    assert len(compiled(small, store)) == len(compiled(large, store))
    assert codes(small) == set()


@pytest.mark.parametrize("opset", [17, 19, 25])
def test_any_opset_compiles_nvfp4(opset: int, tmp_path: Path, store: Store) -> None:
    """Blocked DequantizeLinear is opset 21, FP4 is opset 23; the parser asks for neither."""
    path = linear("nvfp4", (128, 256)).save(tmp_path / "model.onnx", opset)
    assert products(compiled(path, store)) == ["FP4E2M1"]


@pytest.mark.parametrize(("precision", "gemms"), [("fp8", 3), ("int8", 1)])
def test_fused_qkv_keeps_scales_of_tensors(precision: str, gemms: int, tmp_path: Path, store: Store) -> None:
    path = qkv(precision, "split").save(tmp_path / "model.onnx")
    kinds = products(compiled(path, store))
    assert (len(kinds), set(kinds)) == (gemms, {"FP8" if precision == "fp8" else "Int8"})
    assert codes(path) == set()
