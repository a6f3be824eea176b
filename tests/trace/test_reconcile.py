"""Compiled layers of a real engine beside kernels, and Amdahl's law."""

import json
from pathlib import Path

import pytest
from support.golden_audits import AUDITS
from support.traces import GELU, GEMM, NORM, Recorded, eager, graphed, write_nsys, write_profile

from trtbench.predict.engine import predict_engine
from trtbench.predict.gpus import find_gpu
from trtbench.results import AuditedLayer, TraceReport
from trtbench.trace.amdahl import GEMM_SPEEDUP
from trtbench.trace.read import read_trace
from trtbench.trace.reconcile import KernelRun, kernel_runs, reconcile
from trtbench.trace.trace import trace

AUDIT = AUDITS["nvfp4@stock"]
GPU = find_gpu("rtx-pro-6000")


def kernel_name(layer: AuditedLayer) -> str:
    """What the layer is called on the GPU: generated kernels by name with a hash, GEMMs by their tactic."""
    if layer.op in ("gemm", "conv"):
        return "cutlass3x_sm120_bstensorop_s16864gemm_block_scaled_ue4m3xe2m1_ue4m3xe2m1_f32_vs16"
    return layer.name.partition("_myl")[0] + "_myl_0x5c" if layer.name.startswith("_gemm") else layer.name


def one_trace(path: Path, names: list[str]) -> TraceReport:
    kernels = [
        (run * 1_000_000 + 2000 * index, run * 1_000_000 + 2000 * index + 1000, name, run + 1)
        for run in range(3)
        for index, name in enumerate(names)
    ]
    return trace([write_nsys(path, Recorded(kernels=kernels))])


def test_every_layer_finds_its_kernel_whatever_stands_between(tmp_path: Path) -> None:
    names = [kernel_name(layer) for layer in AUDIT.layers]
    names.insert(3, "unrelated")
    (found,) = one_trace(tmp_path / "a.sqlite", names).traces
    (recording,) = read_recordings(tmp_path / "a.sqlite")
    prediction = predict_engine(AUDIT, GPU, 8)
    reconciled = reconcile(found, kernel_runs(recording), AUDIT, prediction, graph_ms=0.1)
    assert [each.kernel for each in reconciled.layers] == [name for name in names if name != "unrelated"]
    assert {each.matched_by for each in reconciled.layers if each.op == "gemm"} == {"place"}
    assert {each.matched_by for each in reconciled.layers if each.op == "norm"} == {"name"}
    assert reconciled.unmatched_kernels == ("unrelated",)
    assert [each.measured_us for each in reconciled.layers] == [1.0] * len(AUDIT.layers)
    predicted_us = [each.predicted_us or 0.0 for each in reconciled.layers]
    assert sum(predicted_us) == pytest.approx(1e3 * prediction.gpu_compute_ms)
    # Kernels of 1 us that begin every 2 us.
    assert reconciled.kernel_ms == pytest.approx(1e-3 * len(names))
    assert reconciled.gap_ms == pytest.approx(1e-3 * (len(names) - 1))
    assert (reconciled.graph_ms, reconciled.gpu) == (0.1, GPU.name)


def read_recordings(path: Path) -> list:
    found = read_trace(path)
    assert isinstance(found, list)
    return found


def test_a_tactic_is_found_in_the_name_of_a_kernel(tmp_path: Path) -> None:
    (found,) = trace([write_nsys(tmp_path / "a.sqlite", graphed())]).traces
    layer = AUDIT.layers[0].model_copy(update={"op": "other", "name": "m", "tactic_name": "sm80_xmma_gemm"})
    audit = AUDIT.model_copy(update={"layers": (layer,)})
    reconciled = reconcile(found, [KernelRun(NORM, 1.0), KernelRun(GEMM, 2.0)], audit, None)
    (match,) = reconciled.layers
    assert (match.kernel, match.matched_by, match.predicted_us) == (GEMM, "tactic", None)


def test_layers_of_a_profile_match_by_name(tmp_path: Path) -> None:
    layers = [(layer.name, 0.001) for layer in AUDIT.layers]
    path = write_profile(tmp_path / "p.json", layers)
    (found,) = trace([path]).traces
    profile = read_trace(path)
    assert not isinstance(profile, list)
    reconciled = reconcile(found, kernel_runs(profile), AUDIT, None)
    assert {each.matched_by for each in reconciled.layers} == {"name"}
    assert reconciled.gap_ms is None


def test_inferences_of_another_length_do_not_count(tmp_path: Path) -> None:
    recorded = graphed(4)
    recorded.kernels.append((recorded.kernels[-1][1] + 1000, recorded.kernels[-1][1] + 9000, GELU, 4))
    (recording,) = read_recordings(write_nsys(tmp_path / "a.sqlite", recorded))
    assert [run.name for run in kernel_runs(recording)] == [NORM, GEMM, GEMM]


def test_losses_add_up_to_what_is_beyond_the_ideal(tmp_path: Path) -> None:
    paths = [write_nsys(tmp_path / "a.sqlite", eager()), write_nsys(tmp_path / "b.sqlite", graphed())]
    first, second = trace(paths).amdahl
    assert (first.gemm_ms, first.other_ms) == (pytest.approx(0.020), pytest.approx(0.015))
    assert first.ideal == pytest.approx(35 / (15 + 20 / GEMM_SPEEDUP))
    assert first.ceiling == pytest.approx(35 / 15)
    assert second.speedup == pytest.approx(35 / 45)
    beyond_ms = second.total_ms - first.total_ms / first.ideal
    assert sum(each.total_ms for each in second.losses) == pytest.approx(beyond_ms)
    assert {each.cause: each.total_ms for each in second.losses} == {
        "GEMMs in 16 bits or more": pytest.approx(0.030),
        "other GEMMs below 4x": pytest.approx(0.005),
        "gelu": pytest.approx(-0.010),
    }


def test_the_timeline_holds_kernels_gaps_and_what_the_host_does(tmp_path: Path) -> None:
    recorded = eager(3)
    recorded.copies.append((1_006_000, 1_007_000, 1, 20_000))
    paths = [write_nsys(tmp_path / "a.sqlite", recorded), write_nsys(tmp_path / "b.sqlite", graphed())]
    trace(paths, timeline=tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert {each["pid"] for each in events} == {0, 1}
    first = [each for each in events if each["pid"] == 0 and each["ph"] == "X"]
    kernels = [each for each in first if "cat" in each]
    assert [each["cat"] for each in kernels] == ["norm", "gemm", "gelu"] * 3
    assert (kernels[0]["ts"], kernels[0]["dur"], kernels[1]["args"]) == (0.0, 5.0, {"format": "fp16"})
    names = [each["name"] for each in first]
    assert names.count("inference") == 3
    assert names.count("gap over 10 us") == 2
    assert names.count("copy host to device") == 1
    assert names.count("host: launch") == 8  # the first one is before the first kernel
    assert not (tmp_path / ".t.json.part").exists()
