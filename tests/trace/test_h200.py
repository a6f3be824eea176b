"""Traces that were recorded on an H200."""

from pathlib import Path

import pytest

from trtbench.errors import Code
from trtbench.results import TraceReport
from trtbench.trace import trace

FOLDER = Path(__file__).parents[2] / "docs" / "benchmarks" / "h200" / "traces"


@pytest.fixture(scope="module")
def report() -> TraceReport:
    """ViT-B/16: eager and in a graph at batch 8 (bfloat16), compiled in FP16 and FP8 at batch 64."""
    return trace([FOLDER / f"{name}.json.gz" for name in ("torch-eager", "torch", "fp16", "fp8")])


def test_each_inference_is_found(report: TraceReport) -> None:
    found = [(each.inferences.source, each.inferences.count) for each in report.traces if each.inferences]
    assert found == [("range", 20)] * 4
    assert [each.inferences.kernels for each in report.traces if each.inferences] == [129, 132, 106, 118]
    assert {(each.gpu, each.target) for each in report.traces} == {("NVIDIA H200", "sm90")}


def test_a_graph_keeps_the_gpu_busy_where_eager_code_does_not(report: TraceReport) -> None:
    eager, graph = (each.timeline for each in report.traces[:2])
    assert eager is not None
    assert graph is not None
    assert eager.utilisation < 0.3
    assert graph.utilisation > 0.85
    assert [each.code for each in report.traces[0].findings] == [Code.GPU_IDLE]
    assert sum(each.share for each in eager.idle) == pytest.approx(1 - eager.utilisation)
    assert max(eager.idle, key=lambda each: each.share).cause == "operators"


def test_every_kernel_is_known(report: TraceReport) -> None:
    assert [each.name for trace in report.traces for each in trace.kernels if each.category == "other"] == []


def test_fp8_gemms_are_distinguished_from_those_that_stay_wide(report: TraceReport) -> None:
    times = {(each.category, each.format): each.inference_ms for each in report.traces[3].categories}
    assert times["gemm", "fp8"] == pytest.approx(1.939, abs=0.001)
    assert times["gemm", "fp16"] == pytest.approx(0.005, abs=0.001)
    assert report.amdahl[3].gemm_ms > 1.9
