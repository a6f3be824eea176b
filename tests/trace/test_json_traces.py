"""Traces of torch.profiler and layer profiles of trtexec: whole, packed, cut short, and other files."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.traces import eager, graphed, torch_trace, write_nsys, write_profile, write_torch

import trtbench as tb
from trtbench.errors import ArtifactError, Code
from trtbench.results import Trace, TraceReport
from trtbench.trace import json_stream, trace

WITHOUT_SOURCE = {"path": "", "tool": "", "label": ""}


def read(path: Path) -> Trace:
    (found,) = trace([path]).traces
    return found


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_torch_and_nsight_systems_agree_on_the_same_events(tmp_path: Path) -> None:
    recorded = eager()
    recorded.copies.append((1_006_000, 1_007_000, 1, 20_000))
    torch, nsys = (
        read(path).model_copy(update=WITHOUT_SOURCE)
        for path in (write_torch(tmp_path / "a.json", recorded), write_nsys(tmp_path / "a.sqlite", recorded))
    )
    assert torch.inferences is not None
    assert nsys.inferences is not None
    assert torch.inferences.detail == "ProfilerStep"
    same = {"inferences": torch.inferences.model_copy(update={"detail": "inference"})}
    assert torch.model_copy(update=same) == nsys


@pytest.mark.parametrize("chunk", [7, 100])
def test_a_trace_is_read_in_pieces_and_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    whole = read(write_torch(tmp_path / "a.json", graphed()))
    packed = tmp_path / "a.json.gz"
    packed.write_bytes(gzip.compress((tmp_path / "a.json").read_bytes()))
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    found = read(packed)
    assert found.model_copy(update={"path": whole.path, "label": whole.label}) == whole
    assert found.inferences is not None
    assert found.inferences.source == "graph launch"


def test_host_time_of_operators_and_python_is_told_apart(tmp_path: Path) -> None:
    content = torch_trace(eager(2))
    # All the time that was outside CUDA: an operator in its first half, a Python function throughout.
    event = {"ph": "X", "pid": 0, "tid": 7, "args": {}}
    content["traceEvents"] += [
        {**event, "cat": "cpu_op", "name": "aten::linear", "ts": 1061, "dur": 10},
        {**event, "cat": "python_function", "name": "forward", "ts": 990, "dur": 200},
    ]
    found = read(write(tmp_path / "a.json", content))
    assert found.timeline is not None
    causes = {each.cause: each.total_ms for each in found.timeline.idle}
    assert causes["operators"] == pytest.approx(0.010)
    assert "outside CUDA" not in causes
    assert sum(causes.values()) + found.timeline.busy_ms == pytest.approx(found.timeline.window_ms)
    assert [each.name for each in found.host_calls] == ["cudaStreamSynchronize", "cudaLaunchKernel"]


def test_events_alone_in_a_list_are_a_trace(tmp_path: Path) -> None:
    found = read(write(tmp_path / "a.json", torch_trace(graphed())["traceEvents"]))
    assert (found.tool, found.gpu, found.kernel_count) == ("Chrome trace", None, 9)


def test_python_and_the_command_line_give_the_same(
    tmp_path: Path, trtbench: Callable[..., tuple[int, str, str]]
) -> None:
    path = write_torch(tmp_path / "a.json", graphed())
    code, out, _ = trtbench("trace", path, "--json", "-o", "report.md")
    assert code == 0
    assert TraceReport.model_validate_json(out) == tb.trace(path, timeline=tmp_path / "timeline.json")
    assert (tmp_path / "report.md").read_text().endswith(f"trtbench trace {path} --json -o report.md\n```\n")
    assert (tmp_path / "timeline.json").exists()


def test_a_layer_profile_has_sums_only(tmp_path: Path) -> None:
    layers = [("_gemm_mha_v2_myl0_2", 0.05), ("__myl_Dyna_myl0_4", 0.01)]
    found = read(write_profile(tmp_path / "a.json", layers, count=20))
    assert found.timeline is None
    assert [(each.category, each.count, each.inference_ms) for each in found.kernels] == [
        ("attention", 20, 0.05),
        ("quantize", 20, 0.01),
    ]
    assert [each.code for each in found.findings] == [Code.LAYER_SUMS]


DEEP = "[" * 100_000
KERNELLESS = {"schemaVersion": 1, "deviceProperties": [], "traceEvents": []}


@pytest.mark.parametrize(
    ("text", "problem", "code"),
    [
        ("", "empty; record", Code.ARTIFACT_DAMAGED),
        ('{"traceEvents": [{"ph": "X"', "damaged or cut short: it ends too soon", Code.ARTIFACT_DAMAGED),
        ('{"traceEvents": [} ]}', "damaged or cut short", Code.ARTIFACT_DAMAGED),
        ('[{"count": 3}, {"name": "a"', "damaged or cut short", Code.ARTIFACT_DAMAGED),
        (json.dumps(KERNELLESS), "no kernels of a GPU; record again with torch", Code.TRACE_WITHOUT_KERNELS),
        ('{"a": {"b": 1}}', "no events, not a trace of torch.profiler", Code.TRACE_FOREIGN),
        ("[" * 100_000, "damaged or cut short: it is nested too deeply", Code.ARTIFACT_DAMAGED),
        (
            f'[{{"count": 1}}, {"[" * 100_000}',
            "damaged or cut short: nested too deeply",
            Code.ARTIFACT_DAMAGED,
        ),
        ('[{"ph": "X", "cat": "v8", "dur": 1, "ts": 1}]', "events of v8, not a trace", Code.TRACE_FOREIGN),
        ('[{"startComputeMs": 1}]', "--exportTimes.*--exportProfile", Code.TRACE_FOREIGN),
        ('[{"name": "a"}]', "not a layer profile of trtexec", Code.TRACE_FOREIGN),
        ('[{"count": 0}]', "no layer ran", Code.TRACE_WITHOUT_KERNELS),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, text: str, problem: str, code: Code) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=problem) as error:
        read(path)
    assert error.value.code == code
    assert "\n" not in str(error.value)


def test_a_packed_trace_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps(torch_trace(eager())).encode())
    path = tmp_path / "a.json.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(ArtifactError, match="damaged or cut short"):
        read(path)
