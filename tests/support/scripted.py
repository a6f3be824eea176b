"""Scripted arms (runtime ``fake``) and blocks made by hand, for tests of everything above a worker."""

import json
from pathlib import Path

from trtbench.measure.run import Arm
from trtbench.results import ArmFacts, Measurement, Telemetry, TensorRecord, TimedBlock
from trtbench.specs import ArmSpec, BenchSpec

BENCH = BenchSpec(
    processes=2,
    warmup_ms=20,
    warmup_iterations=2,
    block_ms=40,
    duration_s=0.32,
    min_blocks=3,
    target_half_width=1e-9,
)
"""Two processes of four blocks each."""

FAST = ["--processes", "2", "--duration-s", "0.4", "--block-ms", "40", "--warmup-ms", "20"]
"""The same for the command line: two processes of five blocks, or four if they are precise."""


def write_script(
    folder: Path, label: str, median_ms: float = 1.5, noise: float = 0.002, **fields: object
) -> Path:
    path = folder / f"{label}.json"
    series = {"gpu_compute_ms": {"median_ms": median_ms, "noise": noise}, "enqueue_ms": 0.02}
    path.write_text(json.dumps({"series": series, **fields}), encoding="utf-8")
    return path


def spec_of(path: Path, **fields: object) -> ArmSpec:
    return ArmSpec.model_validate(
        {
            "label": path.stem,
            "runtime": "fake",
            "recipe": None,
            "export": None,
            "artifact": str(path),
            "artifact_sha256": None,
            **fields,
        }
    )


def arm(folder: Path, label: str, median_ms: float = 1.5, **fields: object) -> Arm:
    return Arm((spec_of(write_script(folder, label, median_ms, **fields)),))


def telemetry(**fields: object) -> Telemetry:
    quiet = {
        "sm_clock_mhz": (1980,),
        "power_w": (300.0,),
        "temperature_c": (50,),
        "energy_j": 75.0,
        "throttle_us": {"sw_power_cap": 0, "hw_therm_slowdown": 0},
        "foreign_pids": (),
        "duration_s": 0.25,
    }
    return Telemetry.model_validate({**quiet, **fields})


def blocks(
    *medians_ms: float, process: int = 0, label: str = "a", **series: tuple[float, ...]
) -> list[TimedBlock]:
    """One block a median; every sample of it is the median."""
    return [
        TimedBlock(
            arm=label,
            build=0,
            process=process,
            block=index,
            started_utc="2026-11-21T10:00:00.000+00:00",
            samples={"gpu_compute_ms": (median, median, median), **series},
        )
        for index, median in enumerate(medians_ms)
    ]


FACTS = ArmFacts(
    runtime_version="1.7.1",
    main_series="gpu_compute_ms",
    inputs=(TensorRecord(name="images", dtype="float16", shape=(8, 3, 224, 224)),),
    outputs=(TensorRecord(name="logits", dtype="float16", shape=(8, 1000)),),
    cuda_graph="captured",
    graph_kernels=143,
    output_sample=(1.0, 2.0, -1.0),
    device_memory_bytes=2**30,
    l2_bytes=50 * 2**20,
    load_s=1.5,
    pid=414,
)


def of_label(measurements: tuple[Measurement, ...], label: str) -> Measurement:
    return next(each for each in measurements if each.arm.label == label)
