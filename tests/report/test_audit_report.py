from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from trtbench.audit import audit_engine, audit_onnx
from trtbench.report.text.audit import render_audit
from trtbench.report.text.console import VisibleConsole
from trtbench.results import Audit, CompiledEngine, Tactic, TacticChoice
from trtbench.specs.recipe import parse_recipe

GOLDEN = Path(__file__).parents[1] / "golden" / "audit"


def audit_stock() -> Audit:
    engine = CompiledEngine.model_validate_json((GOLDEN / "nvfp4_stock.layers.json").read_bytes())
    recipe = parse_recipe("nvfp4@stock")
    flops = {"fc1": 2_098_176_000}
    return audit_engine(GOLDEN / "nvfp4_stock.onnx", engine.layers, recipe, "tensorrt_rtx 1.7.1", flops)


def render(audit: Audit, width: int, verbose: bool = False) -> str:
    console = VisibleConsole(file=StringIO(), width=width)
    render_audit(audit, console, verbose)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize(
    ("name", "width", "verbose"),
    [("engine_100", 100, False), ("engine_80", 80, False), ("layers_100", 100, True)],
)
def test_engine(name: str, width: int, verbose: bool) -> None:
    assert render(audit_stock(), width, verbose) == (GOLDEN / f"{name}.txt").read_text()


DENSE = Tactic(tactic_hash="0x1", kernel="sm80_xmma_gemm_f16f16_f16f16_f16_tn_n", cost_ms=0.0101)
SPARSE = Tactic(tactic_hash="0x2", kernel="sm80_xmma_sparse_gemm_f16f16_sptensor16x8x32", cost_ms=0.0142)
FP4 = Tactic(
    tactic_hash="0x3",
    kernel="cutlass3x_sm120_bstensorop_s16864gemm_block_scaled_ue4m3xe2m1_ue4m3xe2m1_f32_f16",
    cost_ms=0.01,
)


def choice(name: str, selected: str, *tactics: Tactic) -> TacticChoice:
    return TacticChoice(operator=name, key="0xa", onnx_nodes=(), selected_hash=selected, tactics=tactics)


TACTICS = (
    choice("/blocks.0/mlp/fc1/MatMul", "0x3", FP4, DENSE, SPARSE),
    choice("/blocks.0/mlp/fc2/MatMul", "0x1", DENSE, SPARSE),
    choice("/head/MatMul", "0x1", DENSE),
    choice("/blocks.0/attn/proj/MatMul", "0x9", DENSE),
)


@pytest.mark.parametrize("verbose", [False, True])
def test_tactics(verbose: bool) -> None:
    text = render(audit_stock().model_copy(update={"tactics": TACTICS}), 100, verbose)
    assert "only the builder timed anything, its tactics" in text.splitlines()[0]
    part = text.partition("tactics that the builder timed")
    tactics = part[1] + part[2].partition("\n\n")[0] + "\n"
    assert tactics == (GOLDEN / f"tactics_{'all' if verbose else 'counts'}.txt").read_text()


def test_graph_alone() -> None:
    audit = audit_onnx(GOLDEN / "fp8_stock.onnx")
    assert render(audit, 100) == (GOLDEN / "graph_100.txt").read_text()


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_too_long_and_no_number_is_cut(width: int, verbose: bool) -> None:
    lines = render(audit_stock(), width, verbose).splitlines()
    assert max(map(len, lines[1:])) <= width
    for number in ("0.00307", "1568", "dequantize", "patch_embed"):
        assert any(number in line for line in lines)


def coloured_roles(audit: Audit) -> set[str]:
    console = Console(
        file=StringIO(), width=100, highlight=False, force_terminal=True, color_system="standard"
    )
    render_audit(audit, console, verbose=False)
    assert isinstance(console.file, StringIO)
    table = console.file.getvalue().split("one inference")[0]
    return {line.split()[0] for line in table.splitlines() if "\x1b[33m" in line}


def test_a_fall_back_is_coloured() -> None:
    assert coloured_roles(audit_stock()) == {"qkv"}


def test_more_than_was_asked_is_not_coloured() -> None:
    audit = audit_stock()
    fp8 = [
        r.model_copy(update={"compiled": {"fp8": 1.0}}) if r.role == "attention" else r for r in audit.by_role
    ]
    assert coloured_roles(audit.model_copy(update={"by_role": tuple(fp8)})) == {"qkv"}


def test_layer_names_are_not_markup() -> None:
    audit = audit_stock()
    odd = audit.layers[0].model_copy(update={"name": "[red]k[/red]"})
    text = render(audit.model_copy(update={"layers": (odd,)}), 140, verbose=True)
    assert "[red]k[/red]" in text
