"""Exports of Nsight Systems in several schemas, and those that cannot be read."""

import sqlite3
from pathlib import Path

import pytest
from support.traces import GELU, GEMM, NORM, SCHEMAS, Recorded, eager, graphed, write_nsys

from trtbench.errors import ArtifactError, Code, SpecError
from trtbench.results import Trace
from trtbench.trace import trace


def read(path: Path) -> Trace:
    (found,) = trace([path]).traces
    return found


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_schema_gives_the_same_numbers(tmp_path: Path, schema: str) -> None:
    found = read(write_nsys(tmp_path / "a.sqlite", eager(), schema))
    assert schema in found.tool
    assert found.gpu == "NVIDIA H200"
    assert found.target == (None if schema == "2.4.3" else "sm90")
    assert found.timeline is not None
    assert found.inferences is not None
    # Four inferences of 20 + 10 + 5 us in kernels with 2 us between them, 52 us from one to the next.
    assert found.timeline.window_ms == pytest.approx(1e-3 * (4 * 39 + 3 * 52))
    assert found.timeline.busy_ms == pytest.approx(1e-3 * 4 * 35)
    assert found.timeline.utilisation == pytest.approx(140 / 312)
    assert found.inferences.pipeline_efficiency == pytest.approx(35 / 39)
    assert (found.timeline.gaps.count, found.timeline.gaps.total_ms) == (3, pytest.approx(0.156))
    assert (found.inferences.source, found.inferences.detail) == ("range", "inference")
    assert found.inferences.count == 4
    assert found.inferences.period_ms == pytest.approx(0.091)
    assert [(each.name, each.count, each.mean_us) for each in found.kernels] == [
        (GEMM, 4, pytest.approx(20)),
        (GELU, 4, pytest.approx(10)),
        (NORM, 4, pytest.approx(5)),
    ]
    assert [each.inference_ms for each in found.kernels] == pytest.approx([0.020, 0.010, 0.005])


def test_the_rest_of_the_window_is_launches_waits_and_what_is_outside_cuda(tmp_path: Path) -> None:
    found = read(write_nsys(tmp_path / "a.sqlite", eager()))
    assert found.timeline is not None
    # Launches run from 4 to 1 us before a kernel: 1 us of each 2 us gap, 3 us of each gap between inferences;
    # then the GPU takes 1 us to start it.
    causes = {each.cause: each.total_ms for each in found.timeline.idle}
    assert causes == {
        "queued kernels": pytest.approx(1e-3 * (8 + 3) * 1),
        "launch": pytest.approx(1e-3 * (8 * 1 + 3 * 3)),
        "synchronisation": pytest.approx(1e-3 * 3 * 20),
        "outside CUDA": pytest.approx(1e-3 * 3 * 28),
    }
    total = sum(causes.values()) + found.timeline.busy_ms
    assert total == pytest.approx(found.timeline.window_ms)
    assert [call.name for call in found.host_calls] == ["cudaStreamSynchronize", "cudaLaunchKernel"]


def test_copies_count_by_volume_and_are_not_kernels(tmp_path: Path) -> None:
    recorded = Recorded(
        kernels=[(0, 10_000, GEMM, 0), (40_000, 50_000, GEMM, 0)],
        copies=[(12_000, 22_000, 1, 500_000), (22_000, 23_000, 2, 1000)],
        memsets=[(25_000, 27_000, 4096)],
    )
    found = read(write_nsys(tmp_path / "a.sqlite", recorded))
    assert found.timeline is not None
    assert {each.kind: (each.bytes, each.gb_per_s) for each in found.transfers} == {
        "host to device": (500_000, pytest.approx(50)),
        "device to host": (1000, pytest.approx(1)),
        "memset": (4096, pytest.approx(2.048)),
    }
    assert {each.cause: each.total_ms for each in found.timeline.idle} == {
        "copies": pytest.approx(0.013),
        "outside CUDA": pytest.approx(0.017),
    }


def test_kernels_of_two_streams_count_once_in_the_busy_time(tmp_path: Path) -> None:
    kernels = [(0, 30_000, GEMM, 0), (10_000, 20_000, NORM, 0), (25_000, 40_000, GELU, 0)]
    found = read(write_nsys(tmp_path / "a.sqlite", Recorded(kernels=kernels, streams=(7, 13, 13))))
    assert found.timeline is not None
    assert (found.timeline.busy_ms, found.timeline.streams) == (pytest.approx(0.040), 2)
    assert found.kernel_ms == pytest.approx(0.055)


def test_rows_in_any_order_and_each_gpu_is_a_trace(tmp_path: Path) -> None:
    kernels = [(50_000, 60_000, GEMM, 0), (0, 10_000, GEMM, 0), (5_000, 6_000, GELU, 0)]
    report = trace([write_nsys(tmp_path / "a.sqlite", Recorded(kernels=kernels, devices=(0, 0, 1)))])
    assert [(each.label, each.kernel_count) for each in report.traces] == [("a, GPU 0", 2), ("a, GPU 1", 1)]
    assert report.traces[0].timeline is not None
    assert report.traces[0].timeline.window_ms == pytest.approx(0.060)


def test_kernels_of_one_graph_launch_are_one_inference(tmp_path: Path) -> None:
    found = read(write_nsys(tmp_path / "a.sqlite", graphed(5)))
    assert found.inferences is not None
    assert (found.inferences.source, found.inferences.count, found.inferences.kernels) == (
        "graph launch",
        5,
        3,
    )
    assert found.inferences.span_ms == pytest.approx(0.047)


def test_without_ranges_and_graphs_the_sequence_repeats(tmp_path: Path) -> None:
    recorded = eager(6)
    recorded.ranges.clear()
    recorded.kernels.insert(0, (10, 20, "warm_up_kernel", 0))
    found = read(write_nsys(tmp_path / "a.sqlite", recorded))
    assert found.inferences is not None
    assert (found.inferences.source, found.inferences.kernels) == ("kernel sequence", 3)
    assert found.inferences.count == 6
    assert found.inferences.span_ms == pytest.approx(0.039)


def test_a_single_kernel_is_a_trace(tmp_path: Path) -> None:
    found = read(write_nsys(tmp_path / "a.sqlite", Recorded(kernels=[(5, 5, GEMM, 0)])))
    assert found.timeline is not None
    assert (found.timeline.utilisation, found.inferences, found.kernel_count) == (1.0, None, 1)
    assert Code.INFERENCES_NOT_FOUND in [each.code for each in found.findings]


def test_replays_without_kernels_are_refused(tmp_path: Path) -> None:
    path = write_nsys(tmp_path / "a.sqlite", Recorded(replays=[(0, 900), (1000, 1900)]))
    with pytest.raises(
        ArtifactError, match=r"2 replays of CUDA graphs and no kernels in them; .*-trace=node"
    ) as e:
        read(path)
    assert e.value.code == Code.TRACE_WITHOUT_KERNELS


def test_replays_beside_kernels_count_as_busy_and_are_named(tmp_path: Path) -> None:
    recorded = Recorded(
        kernels=[(0, 1000, GEMM, 0)], replays=[(100_000 * n, 100_000 * n + 90_000) for n in (1, 2, 3)]
    )
    found = read(write_nsys(tmp_path / "a.sqlite", recorded))
    assert found.timeline is not None
    assert found.timeline.busy_ms == pytest.approx(0.271)
    (hidden,) = (each for each in found.findings if each.code == Code.TRACE_HIDES_KERNELS)
    assert hidden.numbers == {"graph_replays": 3}
    assert found.kernels[0].category == "graph"


def foreign(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


def cut(path: Path, recorded: Recorded) -> Path:
    recorded.kernels *= 300
    write_nsys(path, recorded)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: text(path, ""), "empty; record or export it again"),
        (lambda path: cut(path, eager()), "damaged or cut short"),
        (lambda path: foreign(path, "CREATE TABLE t (a)"), "a database with tables t, not an export"),
        (lambda path: foreign(path, "CREATE TABLE t (a)", "DROP TABLE t"), "empty database"),
        (
            lambda path: foreign(path, "CREATE TABLE CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL (start)"),
            "written by nvprof",
        ),
        (
            lambda path: foreign(path, "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start, end, demangledName)"),
            "no kernels; record again with nsys profile",
        ),
        (
            lambda path: foreign(
                path,
                "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (first, last)",
                "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 2)",
            ),
            "table CUPTI_ACTIVITY_KIND_KERNEL has no column start",
        ),
        (lambda path: write_nsys(path, Recorded()), "no kernels; record again with nsys profile"),
        (
            lambda path: write_nsys(path, Recorded(calls=[(0, 1, "cudaMalloc_v3020", 1)])),
            "calls of CUDA and no kernels",
        ),
        (lambda path: text(path, "start,end\n1,2\n"), "neither an SQLite export of Nsight Systems, nor"),
    ],
    ids=[
        "empty",
        "cut",
        "foreign",
        "no-tables",
        "nvprof",
        "no-rows",
        "columns",
        "no-kernels",
        "no-gpu",
        "csv",
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, make: object, problem: str) -> None:
    assert callable(make)
    with pytest.raises(ArtifactError, match=problem) as error:
        read(make(tmp_path / "a.sqlite"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_being_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbench.trace.nsys._LOCKED_S", 0.01)
    path = write_nsys(tmp_path / "a.sqlite", eager())
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ArtifactError, match="another program is writing it; try again"):
        read(path)
    writer.close()


def test_reports_that_are_not_exported_are_refused(tmp_path: Path) -> None:
    path = text(tmp_path / "a.nsys-rep", "xx")
    with pytest.raises(ArtifactError, match=r"nsys export --type sqlite .*a\.nsys-rep"):
        read(path)
    with pytest.raises(SpecError, match="no such file"):
        read(tmp_path / "none.sqlite")
    with pytest.raises(SpecError, match="a folder"):
        read(tmp_path)


def test_time_between_kernels_of_one_graph_is_not_the_hosts(tmp_path: Path) -> None:
    recorded = graphed(3)
    recorded.calls.append((0, 2_000_000, "cudaStreamSynchronize_v3020", 0))
    found = read(write_nsys(tmp_path / "a.sqlite", recorded))
    assert found.timeline is not None
    # Two gaps of 1 us in each replay; of the 5 us between replays, 3 us pass until the launch has ended.
    causes = {each.cause: each.total_ms for each in found.timeline.idle}
    assert causes == {
        "queued kernels": pytest.approx(1e-3 * (3 * 2 * 1 + 2 * 2)),
        "launch": pytest.approx(1e-3 * 2 * 3),
    }
