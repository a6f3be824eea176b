"""Recording: what runs, what is written, and what is refused. Scripts stand for a GPU."""

import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from support.in_process import InProcessArm
from support.traces import graphed, write_torch

from trtbench.compare import record
from trtbench.errors import ArtifactError, Code, SpecError
from trtbench.measure.device import Query
from trtbench.measure.profiler import record_queries
from trtbench.specs import Grid
from trtbench.store.artifacts import Store

Run = Callable[..., tuple[int, str, str]]
SCRIPT = {"series": {"gpu_compute_ms": {"median_ms": 0.050}}}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An arm in this process."""
    monkeypatch.setattr(import_module("trtbench.compare.record"), "ArmProcess", InProcessArm)
    path = tmp_path / "script.json"
    path.write_text(json.dumps(SCRIPT), encoding="utf-8")
    return path


@pytest.fixture
def _kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profiler that sees three kernels in a graph for each query."""

    def write(queries: Iterator[Query], count: int, finish: Callable[[], None], path: Path) -> None:
        for _ in range(count):
            next(queries).start()
        finish()
        write_torch(path, graphed(count))

    monkeypatch.setattr("trtbench.measure.loop.record_queries", write)


@pytest.mark.usefixtures("_kernels")
def test_what_is_recorded_is_summed_up_beside_times_without_a_profiler(script: Path, tmp_path: Path) -> None:
    steps = []
    report = record(
        Grid(files=(str(script),), runtimes=("fake",)), Store(tmp_path), lambda step: steps.append(step.text)
    )
    (trace,) = report.traces
    assert trace.label == "script, fake"
    assert (trace.inferences and trace.inferences.count, trace.kernel_count) == (20, 60)
    found = trace.reconciliation
    assert found is not None
    assert (found.kernel_ms, found.gap_ms) == (pytest.approx(0.045), pytest.approx(0.002))
    assert (found.graph_ms, found.predicted_ms, found.layers) == (pytest.approx(0.050), None, ())
    assert steps[:2] == ["load and warm up", "record"]
    assert Path(trace.path) == tmp_path / "results" / "trace-script-fake.json.gz"


@pytest.mark.usefixtures("_kernels")
def test_the_command_records_with_a_runtime(script: Path, trtbench: Run, tmp_path: Path) -> None:
    code, out, _ = trtbench("trace", script, "--runtime", "fake", "--store", tmp_path / "s")
    assert code == 0
    assert re.search(r"one inference: kernels 45.0 us \+ gaps 2.00 us; timed without a profiler 50.0 us", out)


def test_the_profiler_of_torch_is_asked_for_queries_in_ranges(tmp_path: Path) -> None:
    calls: list[str] = []

    def queries() -> Iterator[Query]:
        while True:
            yield Query(lambda: calls.append("start"), lambda: calls.append("before"))

    record_queries(queries(), 2, lambda: calls.append("finish"), tmp_path / "trace.json")
    # Three that are thrown away, then two.
    assert calls == [*["before", "start"] * 3, "finish", *["before", "start"] * 2, "finish"]
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    ranges = [each for each in events if each.get("cat") == "user_annotation"]
    assert [each["name"] for each in ranges] == ["inference"] * 2


def test_without_a_gpu_the_trace_has_no_kernels(script: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no kernels of a GPU") as error:
        record(Grid(files=(str(script),), runtimes=("fake",)), Store(tmp_path))
    assert error.value.code == Code.TRACE_WITHOUT_KERNELS


@pytest.mark.parametrize(
    ("runtime", "problem"),
    [
        ("trtexec", "runtime trtexec runs by itself; name the layer profile"),
        ("onnxruntime-cpu", "runtime onnxruntime-cpu runs on a CPU"),
    ],
)
def test_runtimes_without_kernels_to_record_are_refused(
    script: Path, tmp_path: Path, runtime: str, problem: str
) -> None:
    with pytest.raises(SpecError, match=problem):
        record(Grid(files=(str(script),), runtimes=(runtime,)), Store(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("a.json --batch 8", "--batch has no effect on a trace; remove it, or add --runtime"),
        ("a.json --no-graph", "--no-graph has no effect on a trace"),
        ("a.json --gpu h200", "--gpu needs --engine"),
        ("a.json -o a.txt", "-o a.txt: expected one .json for a timeline, one .md for a report"),
        ("a.json --engine none", "none: "),
        ("fp16", "fp16: no such file; name a trace, or a recipe with the --runtime to record it in"),
        ("fp16 --runtime torch --engine a.json", "--engine and --runtime exclude each other"),
        ("fp16 --runtime torch --optimization-level 3", "--optimization-level has no effect"),
    ],
)
def test_options_without_effect_are_refused(
    trtbench: Run, tmp_path: Path, arguments: str, problem: str
) -> None:
    write_torch(tmp_path / "a.json", graphed())
    code, out, err = trtbench("trace", *arguments.split())
    assert (code, out) == (2, "")
    assert problem in err.splitlines()[-1]
