"""What TensorRT says of an engine: the inspector's JSON, tables of tactics, lines on sparsity.

The texts in ``data/tensorrt`` are published ones (``SOURCES.md`` there); those that a test makes by itself
have the same format.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from trtbench.audit.precision import precision_of_tensorrt
from trtbench.audit.tactics import tactic_findings
from trtbench.build.backends import child_command, read_built
from trtbench.build.readers.inspector import InspectedEngine, read_inspector
from trtbench.build.readers.tactics import read_sparsity, read_tactics
from trtbench.errors import BuildError
from trtbench.results import UNKNOWN_LAYER, CompiledLayer, LayerTensor, TacticChoice
from trtbench.results.tactics import SparsityUse, TacticTables
from trtbench.specs import BuildSpec
from trtbench.specs.build import BuildPaths

DATA = Path(__file__).parent.parent / "data" / "tensorrt"
RTX_LOG = Path(__file__).parent.parent / "data" / "build-1.7.1-fp16-sm120.log"

GEMM = "sm80_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize32x32x64_stage3_warpsize2x1x2_tensor16x8x8"
SPARSE = (
    "sm80_xmma_sparse_gemm_f16f16_f16f32_f32_nt_n_tilesize128x128x64_stage3_warpsize2x2x1_sptensor16x8x32"
)
FP4 = "cutlass3x_sm120_bstensorop_s16864gemm_block_scaled_ue4m3xe2m1_ue4m3xe2m1_f32_vs16"


def inspected(tmp_path: Path, content: Any) -> InspectedEngine:
    path = tmp_path / "inspector.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_inspector(path)


def layer(tensor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    tensors = [{"Name": "x", "Dimensions": [4, 64], **tensor}]
    return {"Name": "fc", "LayerType": "gemm", "Inputs": tensors, "Outputs": tensors, **fields}


def test_tensorrt_10() -> None:
    engine = read_inspector(DATA / "inspector-10.json")
    gemm, reformat = engine.layers
    assert engine.is_detailed
    assert (gemm.name, gemm.layer_type, gemm.tactic_name, gemm.stream_id) == (
        "matMul1_myl0_0",
        "gemm",
        GEMM,
        0,
    )
    assert [tensor.name for tensor in gemm.inputs][:2] == ["input", "weight1"]
    assert gemm.inputs[0] == LayerTensor(
        name="input", dimensions=(128, 128), strides=(), dtype="Float", format=""
    )
    assert (gemm.constants, gemm.onnx_nodes) == ((), ())
    assert (reformat.inputs[0].dtype, reformat.inputs[0].format) == ("Half", "Row major linear FP16 format")
    assert reformat.outputs[0].format == "Channel major FP16 format where channel % 4 == 0"
    assert reformat.tactic_name == ""
    assert reformat.onnx_nodes == ("/features/0/Conv", "/features/1/Relu")


def test_tensorrt_11() -> None:
    engine = read_inspector(DATA / "inspector-11.json")
    assert engine.is_detailed
    (gemm,) = engine.layers
    assert gemm.constants == (
        LayerTensor(
            name="w",
            dimensions=(64, 64),
            strides=(64, 1),
            dtype="Half",
            format="(Linear) Row major linear format",
        ),
    )
    assert gemm.onnx_nodes == ("/fc/MatMul", "/fc/Add")


def test_both_versions_give_the_same_record_of_the_same_layer(tmp_path: Path) -> None:
    ten = inspected(tmp_path, {"Layers": [layer({"Format/Datatype": "Half"})], "Bindings": []})
    eleven = layer({"DataType": "Half", "Format": "", "Strides": []}, Constants=[], TacticName="")
    assert inspected(tmp_path, {"Layers": [eleven], "I/O Tensors": []}) == ten
    as_in_the_log = layer({"Datatype": "Half", "Format": ""})
    assert inspected(tmp_path, {"Layers": [as_in_the_log], "I/O Tensors": []}) == ten


def test_names_only(tmp_path: Path) -> None:
    engine = read_inspector(DATA / "inspector-11-names.json")
    assert not engine.is_detailed
    assert [one.name for one in engine.layers] == ["fc_myl0_3", "__myl_Move_myl0_4"]
    assert engine.layers[0] == CompiledLayer.unread("fc_myl0_3")
    ten = inspected(tmp_path, {"Layers": ["fc_myl0_3", "__myl_Move_myl0_4"], "Bindings": []})
    assert ten.layers == engine.layers


@pytest.mark.parametrize(
    ("description", "dtype", "precision"),
    [
        ("Float", "Float", "fp32"),
        ("Half", "Half", "fp16"),
        ("BFloat16", "BFloat16", "bf16"),
        ("FP8 linear", "FP8", "fp8"),
        ("FP4E2M1", "FP4E2M1", "fp4"),
        ("Row major linear FP32 format", "Float", "fp32"),
        ("Row major linear FP16 format", "Half", "fp16"),
        ("Row major linear BF16 format", "BFloat16", "bf16"),
        ("Row major Int8 format", "Int8", "int8"),
        ("Row major linear INT8 format", "Int8", "int8"),
        ("Thirty-two wide channel vectorized row major Int8 format.", "Int8", "int8"),
        ("Row major Bool format", "Bool", "bool"),
        ("Row major linear UInt8 format", "UInt8", "uint8"),
    ],
)
def test_datatypes_within_formats(description: str, dtype: str, precision: str, tmp_path: Path) -> None:
    engine = inspected(tmp_path, {"Layers": [layer({"Format/Datatype": description})], "Bindings": []})
    assert engine.layers[0].inputs[0].dtype == dtype
    assert precision_of_tensorrt(dtype) == precision


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot read the layers of the engine"),
        ("[]", "no list of layers in it"),
        ({"Layers": {}}, "no list of layers in it"),
    ],
)
def test_what_neither_version_writes_is_refused(content: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=words):
        inspected(tmp_path, content)


@pytest.mark.parametrize(
    "unknown",
    [
        {"Name": "fc"},
        layer({}),
        layer({"Format/Datatype": "banana"}),
        layer({"Format/Datatype": "FP16 or Int8"}),
        layer({"Format/Datatype": "Half", "Dimensions": 4}),
    ],
)
def test_a_layer_of_another_form_is_of_unknown_type(unknown: dict[str, Any], tmp_path: Path) -> None:
    engine = inspected(tmp_path, {"Layers": [layer({"Format/Datatype": "Half"}), unknown], "Bindings": []})
    assert engine.is_detailed
    assert engine.layers[0].layer_type != UNKNOWN_LAYER
    assert engine.layers[1] == CompiledLayer.unread(unknown["Name"])


def test_a_datatype_missing_for_dynamic_shapes_is_unknown(
    tmp_path: Path,
) -> None:
    dynamic = layer({"Format/Datatype": "N/A due to dynamic shapes", "Dimensions": [-1, 64]})
    known = layer({"Format/Datatype": "Half"})
    engine = inspected(tmp_path, {"Layers": [dynamic, known], "Bindings": ["x"]})
    assert engine.layers[0].inputs[0] == LayerTensor(
        name="x", dimensions=(-1, 64), strides=(), dtype="unknown", format="N/A due to dynamic shapes"
    )
    assert engine.layers[1].inputs[0].dtype == "Half"


def test_no_file(tmp_path: Path) -> None:
    for read in (read_inspector, read_tactics, read_sparsity):
        with pytest.raises(BuildError, match=r"gone.*: cannot read"):
            read(tmp_path / "gone")


def test_a_published_table_of_tactics() -> None:
    (choice,) = read_tactics(DATA / "tactics-10.8.log").choices
    assert (choice.operator, choice.key) == ("matMul1", "0x1814870c44ff0f8574df6e3dda04cbd7")
    assert [tactic.cost_ms for tactic in choice.tactics] == [0.011264, 0.0118784, 0.0123904]
    assert choice.selected is not None
    assert choice.selected.kernel == GEMM
    assert choice.runner_up is not None
    assert choice.runner_up.tactic_hash == "0x393e4ef8ad243"
    assert choice.margin == pytest.approx(0.05455, abs=1e-5)
    assert (choice.is_near_tie, choice.sparse_offered, choice.fp4_offered) == (False, False, False)


def table(*rows: str, name: str = "/fc/MatMul", selected: str = "0x1", prefix: str = "[VERBOSE] ") -> str:
    lines = [
        f"Autotuning op {name}(key: 0xabc): [ONNX Layer: /fc/MatMul]\x1f[ONNX Layer: /fc/Add]",
        "Sorted table of all evaluated tactics:",
        "tactic_id, cost(in ms), cost/fastest_cost, prediction_correlation, kernel_name, tactic_hash, ...",
        *rows,
        f"The selected tactic is (tactic hash, cost(in ms)):{selected}, 0.01",
    ]
    return "".join(f"{prefix}{line}\n" for line in lines)


def choices(tmp_path: Path, text: str) -> tuple[TacticChoice, ...]:
    path = tmp_path / "build.log"
    path.write_text(text)
    tables = read_tactics(path)
    assert tables.unread == ()
    return tables.choices


def found(tmp_path: Path, text: str) -> TacticTables:
    return TacticTables(choices=choices(tmp_path, text), unread=())


@pytest.mark.parametrize("prefix", ["", "[VERBOSE] ", "[11/21/2026-10:00:00] [V] [TRT] ", "[TRT] [V] "])
def test_near_ties_and_what_was_offered(prefix: str, tmp_path: Path) -> None:
    rows = (
        f"   2, 0.0100, 1.0, 0.5, {FP4}, 0x1, split_k: 2",
        f"  11, 0.0101, 1.01, 0.5, {SPARSE}, 0x2,",
        f"  12, 0.0200, 2.0, 0.5, {GEMM}, 0x3,",
    )
    text = table(*rows, prefix=prefix) + table(
        rows[2], name="op with (brackets)", selected="0x3", prefix=prefix
    )
    first, second = choices(tmp_path, text)
    assert [tactic.kernel for tactic in first.tactics] == [FP4, SPARSE, GEMM]
    assert (first.sparse_offered, first.fp4_offered, first.is_near_tie) == (True, True, True)
    assert first.onnx_nodes == ("/fc/MatMul", "/fc/Add")
    assert first.selected is not None
    assert first.selected.is_fp4
    assert second.operator == "op with (brackets)"
    assert (second.runner_up, second.margin, second.is_near_tie) == (None, None, False)


def test_a_choice_that_is_not_the_fastest_or_not_in_the_table(tmp_path: Path) -> None:
    rows = (f"2, 0.0100, 1.0, 0.5, {FP4}, 0x1,", f"3, 0.0150, 1.5, 0.5, {GEMM}, 0x2,")
    (slower,) = choices(tmp_path, table(*rows, selected="0x2"))
    assert slower.margin == pytest.approx(-1 / 3)
    (other,) = choices(tmp_path, table(*rows, selected="0x9"))
    assert (other.selected, other.margin) == (None, None)


def test_findings_on_tactics(tmp_path: Path) -> None:
    dense, sparse = f"2, 0.0100, 1.0, 0.5, {GEMM}, 0x1,", f"3, 0.0150, 1.5, 0.5, {SPARSE}, 0x2,"
    tie = f"4, 0.0101, 1.01, 0.5, {FP4}, 0x3,"
    text = table(dense, sparse) + table(dense, tie, sparse, name="op2") + table(dense, name="op3")
    near, slower = tactic_findings(found(tmp_path, text))
    assert (near.code, near.layers) == ("NEAR_TIE", ("op2",))
    assert "for 1 of 3 operators" in near.message
    assert (slower.code, slower.layers) == ("SPARSE_TACTIC_SLOWER", ("/fc/MatMul", "op2"))
    assert "takes 50% to 50% longer" in slower.message
    sparse_taken = table(sparse.replace("0.0150", "0.0050"), dense, selected="0x2")
    assert tactic_findings(found(tmp_path, sparse_taken)) == ()
    assert tactic_findings(read_tactics(DATA / "tactics-10.8.log")) == ()


def test_tables_in_an_unknown_form_are_reported_and_the_others_read(tmp_path: Path) -> None:
    path, row = tmp_path / "build.log", f"2, 0.0100, 1.0, 0.5, {GEMM}, 0x1,"
    whole, no_rows = table(row), table(name="/no/rows")
    start = table(row, name="/cut/short").rpartition("[VERBOSE] The selected")[0]
    odd = table(f"2, 1.2.3, 1.0, 0.5, {GEMM}, 0x1,", f"3, 0.0000, 1.0, 0.5, {GEMM}, 0x2,", name="/odd/costs")
    path.write_text(start + whole + no_rows + odd + whole + start)
    tables = read_tactics(path)
    assert [choice.operator for choice in tables.choices] == ["/fc/MatMul"] * 2
    assert tables.unread == ("/cut/short", "/no/rows", "/odd/costs", "/cut/short")
    (finding,) = tactic_findings(tables)
    assert (finding.code, finding.severity, finding.layers) == ("TACTICS_NOT_READ", "info", tables.unread)
    assert finding.message == "the build log has tables of tactics in a form that is not known, 4 of 6"
    path.write_text("[INFO] no tables\n")
    assert read_tactics(path) == TacticTables(choices=(), unread=())


def test_lines_on_sparsity(tmp_path: Path) -> None:
    use = read_sparsity(DATA / "sparsity.log")
    assert use == SparsityUse(eligible=("conv1", "conv2", "conv3"), picked=("conv2", "conv3"))
    path = tmp_path / "build.log"
    path.write_text("[INFO] (Sparsity) Layers eligible for sparse math: /fc/MatMul + /fc/Add\n[INFO] end\n")
    assert read_sparsity(path) == SparsityUse(eligible=("/fc/MatMul + /fc/Add",), picked=None)
    path.write_text("[INFO] (Sparsity) Layers eligible for sparse math: \n")
    assert read_sparsity(path) == SparsityUse(eligible=(), picked=None)
    assert read_sparsity(RTX_LOG) == SparsityUse(eligible=None, picked=None)


def test_every_backend_is_read_the_same_way(tmp_path: Path) -> None:
    paths = BuildPaths(*(tmp_path / name for name in ("onnx", "engine", "log", "inspector", "cache")))
    paths.log.write_text(
        "[INFO] Max Scratch Memory: 1 bytes\n[INFO] Total Activation Memory: 2 bytes\n"
        "[INFO] Total Weights Memory: 3 bytes\n"
        "[11/21/2026-10:00:00] [I] [TRT] Max Scratch Memory: 4 bytes\n"
        "[11/21/2026-10:00:00] [I] [TRT] Total Activation Memory: 5 bytes\n"
        "[11/21/2026-10:00:00] [I] [TRT] Total Weights Memory: 6 bytes\n"
    )
    paths.inspector.write_text((DATA / "inspector-11.json").read_text())
    tensorrt, trtexec = read_built("tensorrt", paths), read_built("trtexec", paths)
    assert tensorrt.layers == trtexec.layers == read_inspector(paths.inspector).layers
    memories = [(built.memory.activation_bytes, built.memory.weight_bytes) for built in (tensorrt, trtexec)]
    assert memories == [(2, 3), (5, 6)]
    paths.inspector.write_text((DATA / "inspector-11-names.json").read_text())
    with pytest.raises(BuildError, match="inspector: lists only the names of layers"):
        read_built("tensorrt", paths)
    paths.log.write_bytes(RTX_LOG.read_bytes())
    assert len(read_built("tensorrt_rtx", paths).layers) > 0


def test_the_command_of_the_child_takes_another_python(tmp_path: Path) -> None:
    paths = BuildPaths(*(tmp_path / name for name in ("onnx", "engine", "log", "inspector", "cache")))
    command = child_command(BuildSpec(backend="tensorrt"), "10.14.1.48", paths, ("docker", "exec", "python"))
    assert command[:3] == ("docker", "exec", "python")
    assert Path(command[3]).name == "child.py"
    assert json.loads(command[4])["network_flags"] == ["STRONGLY_TYPED"]
