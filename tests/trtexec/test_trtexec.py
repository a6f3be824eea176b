"""Commands for trtexec of each version, and what it writes read back, with a stand-in that checks flags."""

import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest
from support.scripted import spec_of
from support.tensorrt_machine import install_trtexec
from support.trt_api import load_api
from support.trtexec_stand_in import flags_of, write_trtexec

from trtbench.build.readers.inspector import read_inspector
from trtbench.build.readers.log import read_trtexec_memory
from trtbench.errors import Code, MeasureError, RuntimeUnavailable, SpecError
from trtbench.measure.trtexec_check import DISAGREEMENT, trtexec_disagrees
from trtbench.results.artifacts import EngineMemory
from trtbench.specs import (
    BenchSpec,
    BuilderOptions,
    BuildSpec,
    HardwareCompatibility,
    ShapeRange,
    TilingLevel,
)
from trtbench.specs.build import BuildPaths
from trtbench.trtexec.arm import open_arm
from trtbench.trtexec.command import Exports, bench_command, build_command
from trtbench.trtexec.log import error_words
from trtbench.trtexec.measure import measure
from trtbench.trtexec.results import (
    read_engine,
    read_gpu_compute_median_ms,
    read_profile,
    read_protocol,
    read_times,
)
from trtbench.trtexec.tool import Trtexec, find_trtexec, read_version

GOLDEN = Path(__file__).parent.parent / "golden" / "trtexec"
LOG_OF_10_9 = Path(__file__).parent.parent / "data" / "tensorrt" / "trtexec-10.9-build-and-run.log"

# By the tag of NVIDIA's container.
VERSIONS = {"25.06": "10.11.0.33", "25.11": "10.14.1.48", "26.06": "11.0.0.114"}
OTHERS = ("10.8.0.43", "10.9.0.34", "10.13.3.9", "10.15.1.29", "10.16.1.11", "11.2.1.2", "11.4.0.106")

X = ShapeRange(input="x", min_shape=(1, 3), opt_shape=(8, 3), max_shape=(64, 3))
Y = ShapeRange(input="y", min_shape=(1,), opt_shape=(2,), max_shape=(3,))
PATHS = BuildPaths(*map(Path, ("model.onnx", "model.engine", "build.log", "inspector.json", "timing.cache")))
BUILDS = {
    "plain": BuildSpec(backend="trtexec"),
    "sparse": BuildSpec(backend="trtexec", sparsity=True, options=BuilderOptions(timing_cache="off")),
    "everything": BuildSpec(
        backend="trtexec",
        options=BuilderOptions(
            timing_cache="shared",
            workspace_bytes=3 * 2**29,
            optimization_level=4,
            tiling="moderate",
            hardware_compatibility="ampere_plus",
            version_compatible=True,
            max_aux_streams=0,
            profiles=((X,), (X.model_copy(update={"opt_shape": (64, 3)}),)),
        ),
    ),
}
BENCHES = {
    "graph": (BenchSpec(), BuilderOptions()),
    "no graph": (BenchSpec(cuda_graph=False, warmup_ms=12.5, duration_s=1.5), BuilderOptions()),
    "version compatible": (BenchSpec(), BuilderOptions(version_compatible=True)),
    "profiles": (BenchSpec(), BuilderOptions(profiles=((X, Y), (X,)))),
}


def commands_of(version: str) -> dict[str, tuple[str, ...]]:
    """All commands, by what they are for."""
    trtexec = Trtexec(Path("trtexec"), version)
    exports = Exports(Path("times.json"), Path("profile.json"))
    builds = {f"build {name}": build_command(trtexec, spec, PATHS) for name, spec in BUILDS.items()}
    benches = {
        f"bench {name}": bench_command(trtexec, spec, Path("model.engine"), exports, options)
        for name, (spec, options) in BENCHES.items()
    }
    return {**builds, **benches}


@pytest.mark.parametrize("tag", VERSIONS)
def test_the_exact_commands(tag: str) -> None:
    text = "".join(
        f"# {name}\n{command[0]} \\\n  " + " \\\n  ".join(command[1:]) + "\n\n"
        for name, command in commands_of(VERSIONS[tag]).items()
    )
    assert text.rstrip() + "\n" == (GOLDEN / f"{tag}.sh").read_text()


def test_another_program_in_the_same_place_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path = write_trtexec(tmp_path / "trtexec", "10.14.1.48")
    assert find_trtexec() == Trtexec(path, "10.14.1.48")
    write_trtexec(path, "11.2.1.2")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert find_trtexec() == Trtexec(path, "11.2.1.2")
    path.unlink()
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", ())
    with pytest.raises(RuntimeUnavailable, match="no trtexec on PATH"):
        find_trtexec()


@pytest.mark.parametrize("version", [*VERSIONS.values(), *OTHERS])
def test_every_flag_is_one_that_the_version_takes_and_that_means_something(version: str) -> None:
    major = int(version.partition(".")[0])
    flags = {word.partition("=")[0] for command in commands_of(version).values() for word in command[1:]}
    assert flags <= flags_of(major)
    without_effect = {"--stronglyTyped", "--useCudaGraph", "--useSpinWait", "--noDataTransfers"}
    assert (flags & without_effect == without_effect) if major < 11 else not flags & without_effect


@pytest.mark.parametrize("version", [*VERSIONS.values(), *OTHERS])
def test_every_value_of_an_option_is_said_as_trtexec_says_it(version: str) -> None:
    trtexec = Trtexec(Path("trtexec"), version)
    tiling = load_api("tensorrt-11.4.0.106").module.TilingOptimizationLevel
    levels = {"none": "none", "ampere_plus": "ampere+", "same_compute_capability": "sameComputeCapability"}
    for level in get_args(TilingLevel):
        command = build_command(trtexec, _spec(tiling=level), PATHS)
        assert f"--tilingOptimizationLevel={int(tiling[level.upper()])}" in command
    for level in get_args(HardwareCompatibility):
        if (level, version) != ("same_compute_capability", "10.8.0.43"):
            command = build_command(trtexec, _spec(hardware_compatibility=level), PATHS)
            assert f"--hardwareCompatibilityLevel={levels[level]}" in command


def _spec(**options: Any) -> BuildSpec:
    return BuildSpec(backend="trtexec", options=BuilderOptions.model_validate(options))


@pytest.mark.parametrize("version", [*VERSIONS.values(), *OTHERS])
def test_the_version_comes_from_the_banner(version: str, tmp_path: Path) -> None:
    path = write_trtexec(tmp_path / "trtexec", version)
    assert find_trtexec(path) == Trtexec(path, version)


def test_banners() -> None:
    assert read_version("&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec") == "10.14.1.48"
    assert read_version("&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec --help") == "10.3.0"
    assert read_version("trtexec: command not found") is None


def test_trtexec_that_is_not_there_or_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", (str(tmp_path / "opt"),))
    with pytest.raises(RuntimeUnavailable, match=r"no trtexec on PATH or in .*opt: it comes with NVIDIA's"):
        find_trtexec()
    (tmp_path / "opt").mkdir()
    path = write_trtexec(tmp_path / "opt" / "trtexec", "11.0.0.114")
    assert find_trtexec().path == path
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", ())
    assert find_trtexec(write_trtexec(tmp_path / "trtexec", "10.14.1.48")) == find_trtexec()
    path.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(RuntimeUnavailable, match="names no version of TensorRT, it ends with: hello"):
        find_trtexec(path)
    path.write_text("#!/nowhere/sh\n")
    with pytest.raises(RuntimeUnavailable, match="does not start"):
        find_trtexec(path)


@pytest.mark.parametrize("version", [*VERSIONS.values(), *OTHERS])
def test_a_build_from_command_to_layers(version: str, tmp_path: Path) -> None:
    trtexec = find_trtexec(write_trtexec(tmp_path / "trtexec", version))
    paths = BuildPaths(*(tmp_path / path for path in vars(PATHS).values()))
    for spec in BUILDS.values():
        run = subprocess.run(
            build_command(trtexec, spec, paths), capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert "Precision: Strongly Typed" in run.stdout
        assert paths.engine.read_bytes().startswith(b"an engine of trtexec")
        engine = read_inspector(paths.inspector)
        assert engine.is_detailed
        dtype = "unknown" if spec.options.profiles and trtexec.major < 11 else "Half"
        assert [(layer.name, layer.inputs[0].dtype) for layer in engine.layers] == [("fc_myl0_0", dtype)]
        memory = read_trtexec_memory(run.stdout)
        assert (memory.activation_bytes, memory.weight_bytes, memory.scratch_bytes) == (2048, 8192, 512)


@pytest.mark.parametrize("version", [*VERSIONS.values(), *OTHERS])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_measurement_of_trtexec_is_read_back(version: str, cuda_graph: bool, tmp_path: Path) -> None:
    trtexec = find_trtexec(write_trtexec(tmp_path / "trtexec", version))
    spec = BenchSpec(cuda_graph=cuda_graph, duration_s=1)
    run = measure(trtexec, spec, tmp_path / "model.engine", tmp_path, BuilderOptions(), profile=True)
    assert run.samples == {"gpu_compute_ms": (5.0, 5.25, 5.5)}
    assert (run.protocol.cuda_graph, run.protocol.transfers) == (cuda_graph, False)
    assert run.protocol.spin_wait
    assert [(layer.name, layer.median_ms, layer.share) for layer in run.layers] == [("fc\x1f_0", 4.75, 1.0)]
    assert [(each.name, each.shape) for each in run.engine.inputs] == [("x", (4, 64))]
    assert [(each.name, each.shape) for each in run.engine.outputs] == [("y", (4, 64))]
    assert {each.dtype for each in run.engine.inputs} == {"Half" if version >= "11" else "unknown"}
    assert run.engine.load_s == 0.125
    log = (tmp_path / "trtexec.log").read_text()
    assert log.startswith("&&&& RUNNING TensorRT.trtexec")


def test_flags_of_10_fail_in_11_in_its_own_words(tmp_path: Path) -> None:
    old, new = "10.14.1.48", "11.0.0.114"
    path = write_trtexec(tmp_path / "trtexec", new)
    command = ["--onnx=m.onnx", "--fp16", "--calib=cache"]
    run = subprocess.run([path, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert error_words(run.stdout + run.stderr) == "Unknown option: --calib cache; Unknown option: --fp16"
    spec = BenchSpec(cuda_graph=False)
    command = list(bench_command(Trtexec(path, new), spec, tmp_path / "e", Exports(tmp_path / "t")))
    as_old = write_trtexec(tmp_path / "old", old)
    run = subprocess.run([as_old, *command[1:]], capture_output=True, text=True, check=False)
    assert error_words(run.stderr) == "Unknown option: --noCudaGraph"


def measured(tmp_path: Path, spec: BenchSpec | None = None, **behaviour: Any) -> None:
    trtexec = find_trtexec(write_trtexec(tmp_path / "trtexec", "10.14.1.48", **behaviour))
    measure(trtexec, spec or BenchSpec(), tmp_path / "model.engine", tmp_path, BuilderOptions())


def test_an_arm_that_was_interrupted_begins_beside_what_it_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"an engine")
    spec = spec_of(engine, runtime="trtexec", artifact_sha256=sha256(b"an engine").hexdigest())
    for _ in range(2):
        with open_arm(spec, BenchSpec(), tmp_path / "a-0.log") as arm:
            facts = arm.prepare()
            assert arm.block()["gpu_compute_ms"] == (5.0, 5.25, 5.5)
    assert sorted(path.name for path in (tmp_path / "a-0").iterdir()) == [
        "block-0",
        "block-1",
        "prepare-0",
        "prepare-1",
    ]
    assert f"logs, times and the profile of the layers: {tmp_path.name}/a-*/" in facts.notes


def test_an_engine_that_was_changed_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    (tmp_path / "model.engine").write_bytes(b"another engine")
    spec = spec_of(tmp_path / "model.engine", runtime="trtexec", artifact_sha256="0" * 64)
    with pytest.raises(MeasureError, match="it was changed since the arm was made"):
        open_arm(spec, BenchSpec(), tmp_path / "a-0.log").prepare()


def test_an_input_name_that_trtexec_cannot_take_fails_the_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"an engine")
    options = BuilderOptions(profiles=((X.model_copy(update={"input": "a:b"}),),))
    digest = sha256(b"an engine").hexdigest()
    spec = spec_of(engine, runtime="trtexec", artifact_sha256=digest, options=options)
    with pytest.raises(
        MeasureError, match=r"^model\.engine: input 'a:b': trtexec has no way to pass a name with one of"
    ):
        open_arm(spec, BenchSpec(), tmp_path / "a-0.log").prepare()


def test_an_engine_that_is_changed_between_blocks_is_not_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"an engine")
    spec = spec_of(engine, runtime="trtexec", artifact_sha256=sha256(b"an engine").hexdigest())
    with open_arm(spec, BenchSpec(), tmp_path / "a-0.log") as arm:
        arm.prepare()
        arm.block()
        engine.write_bytes(b"another engine")
        with pytest.raises(MeasureError, match="it was changed since the arm was made"):
            arm.block()
    assert not (tmp_path / "a-0" / "block-1").exists()


def test_a_failure_has_trtexecs_own_words(tmp_path: Path) -> None:
    errors = [
        "Error Code 6: API Usage Error (The engine plan file is not compatible)",
        "Engine set up failed",
    ]
    with pytest.raises(
        MeasureError, match=r"trtexec 10.14.1.48 failed: Error Code 6.*; Engine set up failed"
    ):
        measured(tmp_path, errors=errors)


def test_a_run_that_does_not_end_is_reported_with_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["trtbench.trtexec.measure"], "_GRACE_S", -10.49)
    with pytest.raises(MeasureError, match=r"trtexec 10.14.1.48 did not end within 10.0 ms: ") as caught:
        measured(tmp_path, harmless=["Skipping tactic 0x0"], takes_bytes=1)
    assert caught.value.code == Code.MEASURE_TIME_LIMIT
    assert "--timeout-s" not in str(caught.value)


def test_a_run_that_crashes_is_reported_with_its_signal(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=r"failed: killed by signal 11 \(SIGSEGV\)") as caught:
        measured(tmp_path, harmless=["Skipping tactic 0x0"], dies_of=11)
    assert caught.value.code == Code.MEASURE_KILLED


def test_exported_times_that_are_not_those_of_the_summary(tmp_path: Path) -> None:
    times = '[{"computeMs": 9.0, "startEnqMs": 0.0, "endEnqMs": 0.25}]'
    with pytest.raises(MeasureError, match=r"exported times with a median of 9 ms and reports 5.25 ms"):
        measured(tmp_path, times=times)


def test_a_graph_that_was_not_captured_is_an_error_here_and_a_warning_there(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="could not capture a CUDA graph, and timed without one") as caught:
        measured(tmp_path, captures=False)
    assert caught.value.code == Code.GRAPH_CAPTURE_FAILED


def test_another_protocol_than_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="measured with another transfers, spin_wait than requested"):
        measured(tmp_path, echo={"Data transfers": True, "Spin-wait": False})


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("[", "cannot read what trtexec exported"),
        ("{}", "not a list of objects"),
        ("[1]", "not a list of objects"),
        ("[]", "no query in it: the run was too short"),
        ('[{"latencyMs": 5}]', "not the times that trtexec exports: KeyError"),
        ('[{"computeMs": null}]', "not the times that trtexec exports: TypeError"),
    ],
)
def test_exported_times_that_are_none(times: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=words):
        measured(tmp_path, times=times)


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match=r"gone.json: cannot read what trtexec exported"):
        read_times(tmp_path / "gone.json")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(MeasureError, match=r"deep.json: cannot read .*: nested too deeply"):
        read_times(tmp_path / "deep.json")
    (tmp_path / "profile.json").write_text('[{"count": 1}, {"name": "a"}]')
    with pytest.raises(MeasureError, match="not the profile that trtexec exports: KeyError"):
        read_profile(tmp_path / "profile.json")
    with pytest.raises(MeasureError, match="printed no performance summary"):
        read_gpu_compute_median_ms("")
    with pytest.raises(
        MeasureError, match="did not report its options CUDA Graph, Data transfers, Spin-wait"
    ):
        read_protocol("")
    with pytest.raises(MeasureError, match="did not report the engine's inputs"):
        read_engine("")
    assert read_trtexec_memory("") == EngineMemory(None, None, None)


def test_a_published_log_of_trtexec_is_read() -> None:
    log = LOG_OF_10_9.read_text()
    assert read_version(log) == "10.9.0.34"
    protocol = read_protocol(log)
    assert protocol.transfers
    assert (protocol.cuda_graph, protocol.spin_wait, protocol.cuda_graph_captured) == (False, False, False)
    assert read_gpu_compute_median_ms(log) == 1.39775
    memory = read_trtexec_memory(log)
    assert (memory.activation_bytes, memory.weight_bytes) == (8228864, 103529216)
    assert error_words(log) == ""


def test_trtexec_cannot_do_all_that_our_loop_can() -> None:
    trtexec, exports = Trtexec(Path("trtexec"), "11.0.0.114"), Exports(Path("times.json"))
    for spec, words in ((BenchSpec(l2="flushed"), "l2 flushed"), (BenchSpec(regime="burst"), "regime burst")):
        with pytest.raises(SpecError, match=f"{words}: runtime trtexec repeats queries at once"):
            bench_command(trtexec, spec, Path("model.engine"), exports)
    options = BuilderOptions(profiles=((X.model_copy(update={"input": "a:b"}),),))
    named = BuildSpec(backend="trtexec", options=options)
    with pytest.raises(SpecError, match=r"input 'a:b': trtexec has no way to pass a name with one of"):
        build_command(trtexec, named, PATHS)


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        (10.0, 10.0, None),
        (10.19, 10.0, None),
        (9.81, 10.0, None),
        (10.3, 10.0, "above"),
        (9.7, 10.0, "below"),
    ],
)
def test_the_cross_check_finds_more_than_two_percent(ours: float, theirs: float, word: str | None) -> None:
    finding = trtexec_disagrees(ours, theirs)
    assert (finding is None) == (word is None)
    if finding is not None:
        assert finding.code == "TRTEXEC_DISAGREES"
        assert f"3.0% {word} the 10 ms" in finding.message
        assert abs(finding.numbers["difference"]) > DISAGREEMENT


def test_golden_commands_are_shell_that_names_each_flag_once() -> None:
    for path in GOLDEN.iterdir():
        for command in path.read_text().split("\n\n"):
            flags = re.findall(r"--\w+", command)
            repeated = {flag for flag in flags if flags.count(flag) > 1}
            assert repeated <= {"--profile", "--minShapes", "--optShapes", "--maxShapes"}
