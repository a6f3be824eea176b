"""Traces as text at two widths: one in full, two side by side, and a layer profile."""

from io import StringIO
from pathlib import Path

import pytest
from support.golden_audits import AUDITS
from support.pages import source
from support.traces import eager, graphed, write_nsys, write_profile

from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.report.markdown.page import markdown_page
from trtbench.report.report import report_on
from trtbench.report.text.console import VisibleConsole
from trtbench.report.text.trace import render_trace
from trtbench.results import TraceReport
from trtbench.trace import trace
from trtbench.trace.read import read_trace
from trtbench.trace.reconcile import kernel_runs, reconcile

GOLDEN = Path(__file__).parents[1] / "golden" / "trace"
LAYERS = [
    ("/blocks.0/attn/qkv/MatMul_myl0_1", 0.120),
    ("_gemm_mha_v2_myl0_2", 0.045),
    ("__myl_MoveConc_myl0_3", 0.01),
]


def recorded() -> dict[str, TraceReport]:
    """Reports on files in the present folder, as the golden files have them."""
    first = eager()
    first.copies.append((1_006_000, 1_007_000, 1, 20_000))
    write_nsys(Path("eager.sqlite"), first)
    write_nsys(Path("graph.sqlite"), graphed(), target=(12, 0))
    write_profile(Path("profile.json"), LAYERS)
    names = {"one": ["eager.sqlite"], "two": ["eager.sqlite", "graph.sqlite"], "layers": ["profile.json"]}
    reports = {name: trace([Path(each) for each in files]) for name, files in names.items()}
    return {**reports, "reconciled": reconciled()}


def reconciled() -> TraceReport:
    """A layer profile beside the layers of its engine and their predictions."""
    audit = AUDITS["fp16"]
    path = write_profile(Path("engine.json"), [(each.name, 0.002) for each in audit.layers])
    (found,) = trace([path]).traces
    profile = read_trace(path)
    prediction = predict_engine(audit, find_gpu("rtx-pro-6000"), 8)
    layers = reconcile(found, kernel_runs(profile), audit, prediction, graph_ms=0.040)
    return TraceReport(traces=(found.model_copy(update={"reconciliation": layers}),))


def render(report: TraceReport, width: int) -> str:
    console = VisibleConsole(file=StringIO(), width=width)
    render_trace(report, console)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [110, 80])
def test_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.chdir(tmp_path)
    for name, report in recorded().items():
        assert render(report, width) == (GOLDEN / f"{name}_{width}.txt").read_text()


def test_the_written_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reports = recorded()
    for name in ("two", "reconciled"):
        page = markdown_page(report_on([source(reports[name])], "trtbench trace ..."), "figures")
        assert page == (GOLDEN / f"{name}.md").read_text()


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    report = recorded()["two"]
    assert report == TraceReport.model_validate_json((GOLDEN / "two.json").read_bytes())
    assert report.evidence == ("measured",)
