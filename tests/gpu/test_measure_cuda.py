"""The loop on a real GPU: times against kernels of known duration, proofs of graphs, L2 modes, telemetry."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from trtbench.errors import Code, MeasureError
from trtbench.measure.findings import Observed, constants_speedup, findings_of
from trtbench.measure.interleave import run_block, run_constant_block, timed_block
from trtbench.measure.loop import Load, prepare
from trtbench.measure.process import ArmProcess
from trtbench.measure.run import Arm
from trtbench.measure.summarise import is_power_capped, measurement_of, power_capped_share
from trtbench.measure.telemetry import open_nvml
from trtbench.specs import ArmSpec, BenchSpec

pytestmark = pytest.mark.gpu

BENCH = BenchSpec(warmup_ms=200, warmup_iterations=3, block_ms=250)
CHASE_SHAPE = (1, 1, 1024, 1024)
THROTTLE_REASONS = {
    "sw_power_cap",
    "sync_boost",
    "sw_therm_slowdown",
    "hw_therm_slowdown",
    "hw_power_brake_slowdown",
}


@contextmanager
def _loaded(bench=BENCH, **arguments):
    from support.spin_runtime import SpinRuntime

    from trtbench.measure.cuda_device import CudaDevice

    with CudaDevice() as device:
        free_bytes = device.free_bytes()
        with SpinRuntime(device.stream, **arguments) as runtime:
            yield prepare(device, runtime, bench, Load(0.0, free_bytes))


def _median_ms(bench=BENCH, **arguments):
    with _loaded(bench, **arguments) as arm:
        arm.block()
        return median(arm.block()["gpu_compute_ms"])


def _report(record_property, **values):
    for name, value in values.items():
        record_property(name, value)
    print(values)  # noqa: T201  (the numbers are the point of the run)


@pytest.mark.parametrize("wait_ms", [0.5, 2.0, 20.0])
@pytest.mark.parametrize("cuda_graph", [True, False])
def test_times_are_those_of_the_kernel(cuda_graph, wait_ms, record_property):
    with _loaded(BENCH.model_copy(update={"cuda_graph": cuda_graph}), wait_ms=wait_ms) as arm:
        samples = arm.block()
        facts = arm.facts
    medians = {series: median(times_ms) for series, times_ms in samples.items()}
    counts = {f"{series}_count": len(times_ms) for series, times_ms in samples.items()}
    _report(record_property, **medians, **counts, device_memory_bytes=facts.device_memory_bytes)
    assert (facts.cuda_graph, facts.graph_kernels) == (("captured", 1) if cuda_graph else ("none", None))
    # The timer that the kernel waits by may tick in steps of a microsecond.
    assert medians["gpu_compute_ms"] == pytest.approx(wait_ms, rel=0.01, abs=0.01)
    assert medians["gpu_compute_ms"] <= medians["host_wall_ms"] < wait_ms + 0.3
    assert 0 < medians["enqueue_ms"] < 0.3
    # 4.8 MB in and 320 bytes out.
    assert 0.01 < medians["h2d_ms"] < 10
    assert 0 < medians["d2h_ms"] < 0.1
    main_ms = sum(samples["gpu_compute_ms"])
    assert 0.6 * BENCH.block_ms < main_ms < 1.5 * BENCH.block_ms
    assert sum(samples["host_wall_ms"]) < 0.2 * BENCH.block_ms


def test_a_busy_gpu_leaves_no_gap_that_counts(record_property):
    """Queries shorter than a launch from Python still get their own time, queued behind the first."""
    with _loaded(wait_ms=0.02) as arm:
        times_ms = arm.block()["gpu_compute_ms"]
    _report(record_property, median_ms=median(times_ms), longest_ms=max(times_ms), count=len(times_ms))
    assert 0.02 <= median(times_ms) < 0.05


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("capture_nothing", "GRAPH_EMPTY: the captured CUDA graph holds no kernel"),
        ("capture_elsewhere", "GRAPH_EMPTY: the captured CUDA graph holds no kernel"),
        ("capture_stale", "GRAPH_STALE: the captured CUDA graph gives the outputs of another input"),
        ("capture_synchronizes", "GRAPH_CAPTURE_FAILED: the runtime does what a CUDA graph cannot hold"),
        ("elsewhere", "OUTPUT_NOT_WRITTEN: output y: the query left"),
        ("half_elsewhere", "WORK_OFF_STREAM: "),
    ],
)
def test_a_runtime_that_would_be_timed_wrongly_is_refused(fault, reason):
    with pytest.raises(MeasureError) as caught, _loaded(fault=fault):
        pass
    assert f"{caught.value.code}: {caught.value}".startswith(reason)


def test_a_refused_capture_leaves_the_device_usable():
    with pytest.raises(MeasureError) as caught, _loaded(fault="capture_synchronizes"):
        pass
    assert caught.value.code == Code.GRAPH_CAPTURE_FAILED
    assert _median_ms(wait_ms=2.0) == pytest.approx(2.0, rel=0.01)


def test_a_graph_of_the_runtimes_own_is_checked_and_recorded():
    with _loaded(graph="own") as arm:
        assert (arm.facts.cuda_graph, arm.facts.graph_kernels) == ("runtime", None)


def test_out_of_memory_says_so():
    from trtbench.measure.cuda_device import CudaDevice

    text = r"out of GPU memory: use a smaller batch.*\(cudaErrorMemoryAllocation in cudaMalloc of 4\.40 TB\)"
    with CudaDevice() as device:
        with pytest.raises(MeasureError, match=text):
            device.allocate(1 << 42)
        assert device.allocate(1 << 20)


def test_cold_caches_are_cold(record_property):
    """Loads that wait for one another take longer from DRAM than from L2."""
    medians_ms = {
        l2: _median_ms(BENCH.model_copy(update={"l2": l2}), loads=2000, shape=CHASE_SHAPE)
        for l2 in ("warm", "flushed", "rotated")
    }
    _report(record_property, **medians_ms)
    assert medians_ms["flushed"] > 1.2 * medians_ms["warm"]
    assert medians_ms["rotated"] > 1.2 * medians_ms["warm"]


def test_telemetry_of_a_block(record_property):
    monitor = open_nvml()
    assert monitor is not None
    with _loaded(wait_ms=2.0) as arm:
        with monitor.watch([os.getpid()]) as watch:
            arm.block()
        with monitor.watch([]) as stranger:
            pass
    telemetry = watch.telemetry
    _report(record_property, **telemetry.model_dump(), pids=stranger.telemetry.foreign_pids)
    assert 0.2 < telemetry.duration_s < 2
    assert len(telemetry.sm_clock_mhz) >= 5
    assert 100 < median(telemetry.sm_clock_mhz) < 5000
    assert 20 < median(telemetry.power_w) < 2000
    assert 10 < median(telemetry.temperature_c) < 100
    assert telemetry.energy_j is not None
    assert 0 <= telemetry.energy_j < 2000 * (telemetry.duration_s + 0.2)
    assert set(telemetry.throttle_us) <= THROTTLE_REASONS
    assert {"sw_power_cap", "sync_boost"} <= set(telemetry.throttle_us)
    assert os.getpid() not in telemetry.foreign_pids
    assert os.getpid() in stranger.telemetry.foreign_pids


@pytest.mark.parametrize("l2", ["warm", "flushed", "rotated"])
@pytest.mark.parametrize("graph", ["capture", "own"])
def test_zeros_are_timed_apart_and_images_come_back(graph, l2, record_property):
    """The kernel waits for as long on zeros, and ``restore_inputs`` raises if an output is not its own."""
    with _loaded(BENCH.model_copy(update={"l2": l2}), graph=graph, wait_ms=2.0) as arm:
        before = median(arm.block()["gpu_compute_ms"])
        arm.fill_constants()
        on_zeros = arm.constant_block()
        arm.restore_inputs()
        after = median(arm.block()["gpu_compute_ms"])
    _report(record_property, before=before, after=after, **{k: median(v) for k, v in on_zeros.items()})
    assert set(on_zeros) == {"gpu_compute_ms"}
    assert median(on_zeros["gpu_compute_ms"]) == pytest.approx(before, rel=0.01)
    assert after == pytest.approx(before, rel=0.01)
    assert 0.3 * BENCH.block_ms < sum(on_zeros["gpu_compute_ms"]) < 0.8 * BENCH.block_ms


def test_zeros_are_faster_under_the_power_cap(tmp_path, record_property):
    """Products of large matrices, all of whose operands are the input's, show what the finding looks for."""
    pytest.importorskip("torch")
    monitor, blocks, on_zeros = open_nvml(), [], []
    for number in range(3):
        with _process(tmp_path, f"matmul-{number}", None, module="support.matmul_runtime") as process:
            facts = process.prepare()
            for index in range(7):
                if index == 6:
                    raw = run_constant_block(process, monitor, [process.pid])
                    on_zeros.append(timed_block(raw, "matmul", 0, number, 0))
                raw = run_block(process, BENCH, monitor, [process.pid])
                blocks.append(timed_block(raw, "matmul", 0, number, index))
    spec = ArmSpec(
        label="matmul", runtime="torch", recipe=None, export=None, artifact=None, artifact_sha256=None
    )
    measurement = measurement_of(spec, BENCH, blocks, facts, None, "GPU", "blocks.jsonl")
    observed = Observed(Arm((spec,)), measurement, blocks, constant_blocks=on_zeros)
    ratio, share, finding = constants_speedup(observed), power_capped_share(blocks), _finding(observed)
    _report(record_property, ratio=ratio.value, ci95=ratio.ci95, share=share, finding=finding)
    if not is_power_capped(blocks):
        pytest.skip(f"this GPU's power cap held the clock down for {share:.1%} of the time only")
    assert finding is not None
    assert finding.numbers["constants_speedup"] > 1.02
    assert finding.numbers["constants_sm_clock_mhz"] > finding.numbers["images_sm_clock_mhz"]
    # Back on images; not yet as slow as before, for the cap takes the clock back in steps.
    watts = [block.telemetry.energy_j / block.telemetry.duration_s for block in (on_zeros[-1], blocks[-1])]
    _report(record_property, watts_on_zeros=watts[0], watts_after=watts[1])
    assert watts[1] > 1.2 * watts[0]


def _finding(observed):
    found = (finding for finding in findings_of(observed) if finding.code == "INPUT_DEPENDENT_POWER")
    return next(found, None)


def _process(tmp_path, label, arguments, module="support.spin_runtime"):
    """A worker whose runtime ``torch`` is replaced by ours."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from trtbench import runtimes;"
        f"runtimes.RUNTIMES['torch'] = runtimes.RuntimeEntry({module!r}, 'model', 'cuda');"
        "from trtbench.measure.worker import main; sys.exit(main())"
    )
    arm = ArmSpec(
        label=label, runtime="torch", recipe=None, export=None, artifact=arguments, artifact_sha256=None
    )
    return ArmProcess(arm, BENCH, tmp_path / f"{label}.log", python=(sys.executable, "-c", code))


def test_two_processes_take_turns(tmp_path, record_property):
    with (
        _process(tmp_path, "short", '{"wait_ms": 1.0}') as short,
        _process(tmp_path, "long", '{"wait_ms": 2.0}') as long,
    ):
        assert {short.prepare().pid, long.prepare().pid} == {short.pid, long.pid}
        blocks = [(process, process.block()["gpu_compute_ms"]) for _ in range(4) for process in (short, long)]
        monitor = open_nvml()
        with monitor.watch([short.pid]) as watch:
            short.block()
        _report(record_property, foreign=watch.telemetry.foreign_pids, own=(short.pid, long.pid))
    for process, times_ms in blocks:
        assert median(times_ms) == pytest.approx(1.0 if process is short else 2.0, rel=0.01)
        # The untimed queries at the start of a block take what the change of the process costs.
        assert median(times_ms[:5]) < 1.05 * median(times_ms)
    assert long.pid in watch.telemetry.foreign_pids


def test_a_lost_gpu_is_reported(tmp_path):
    process = _process(tmp_path, "lost", '{"fault": "illegal_address"}')
    with process, pytest.raises(MeasureError, match="outside of its memory: this process lost the GPU"):
        process.prepare()
