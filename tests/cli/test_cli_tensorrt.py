"""Standard TensorRT and trtexec from the command line, on a machine that the doubles make up."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.scripted import FAST, write_script
from support.tensorrt_machine import (
    Run,
    ScriptedWorker,
    engine_of,
    install_gpu,
    install_tensorrt,
    install_trtexec,
    trtexec_of,
    write_model,
)
from support.trt_api import VERSIONS
from support.trtexec_stand_in import write_trtexec

from trtbench.build.choice import build_spec_for, default_backend
from trtbench.build.compiler import compiler_of
from trtbench.compare.timing import why_not_timed
from trtbench.errors import RuntimeUnavailable
from trtbench.host.installation import install_command
from trtbench.specs import BuildRequest
from trtbench.store.artifacts import load_artifact

TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]
TRTEXEC = [trtexec_of(version) for version in TENSORRT]
OPTIONS = [
    *("--timing-cache", "shared", "--workspace-mib", "512", "--optimization-level", "4", "--tiling", "fast"),
    *("--hardware-compatibility", "ampere_plus", "--version-compatible", "--max-aux-streams", "0"),
]
ENVIRONMENTS = ["--env", "local", "--env", "venv:tensorrt-rtx==1.5.0.114"]
IN_SPEC = {
    "timing_cache": "shared",
    "tactic_table": False,
    "workspace_bytes": 512 * 2**20,
    "optimization_level": 4,
    "tiling": "fast",
    "hardware_compatibility": "ampere_plus",
    "version_compatible": True,
    "max_aux_streams": 0,
    "profiles": [],
}


@pytest.fixture(autouse=True)
def model(tmp_path: Path) -> None:
    """``m.onnx`` where the command line runs."""
    write_model(tmp_path / "m.onnx")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch)


@pytest.mark.parametrize("version", TRTEXEC)
def test_trtexec_builds_for_the_gpu_here_with_all_options(
    version: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, version)
    code, out, err = trtbench("build", "m.onnx", "--backend", "trtexec", *OPTIONS, "--json")
    assert code == 0, err
    manifest = json.loads(out)
    assert manifest["spec"]["targets"] == ["sm120"]
    assert manifest["spec"]["options"] == IN_SPEC
    assert (manifest["backend"], manifest["backend_version"]) == ("trtexec", version)
    assert (manifest["timing_cache"]["size_bytes"], manifest["command"][:1]) == (
        0,
        [str(tmp_path / "trtexec")],
    )
    log = next(Path("engines").glob("m-*/build.log")).read_text()
    assert "--memPoolSize=workspace:512 --builderOptimizationLevel=4 --tilingOptimizationLevel=1" in log


@pytest.mark.parametrize("version", TENSORRT)
def test_tensorrt_builds_for_the_gpu_here_with_all_options(
    version: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, version)
    code, out, err = trtbench(
        "build", "m.onnx", "--backend", "tensorrt", *OPTIONS, "--tactic-table", "--json"
    )
    assert code == 0, err
    assert json.loads(out)["spec"]["options"] == {**IN_SPEC, "tactic_table": True}
    assert json.loads(out)["backend_version"] == version.partition("-")[2]


def test_an_option_that_came_with_a_later_version_is_refused_before_the_build(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[0])
    option = ["--hardware-compatibility", "same_compute_capability"]
    code, out, err = trtbench("build", "m.onnx", "--backend", "tensorrt", *option)
    assert (code, out) == (2, ""), err
    assert "TensorRT 10.8.0.43 has ampere_plus only" in err.splitlines()[-1]
    assert not list(Path("engines").glob("m-*"))


def test_where_only_tensorrt_is_installed_it_builds(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[2])
    manifest = json.loads(trtbench("build", "m.onnx", "--json")[1])
    assert (manifest["backend"], manifest["spec"]["targets"]) == ("tensorrt", ["sm120"])


def test_tensorrt_builds_for_a_gpu_that_tensorrt_rtx_has_no_target_for(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[2])
    manifest = json.loads(trtbench("build", "m.onnx", "--json")[1])
    assert (manifest["backend"], manifest["spec"]["targets"]) == ("tensorrt", ["sm90"])
    assert default_backend(("sm120",)) == "tensorrt_rtx"
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert default_backend() == "tensorrt_rtx"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "fp16"],
        ["compare", "fp16", "--runtime", "tensorrt_rtx"],
    ],
)
def test_without_a_target_for_this_gpu_the_error_says_what_to_do(
    arguments: list[str], trtbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    code, out, err = trtbench(*arguments)
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    for words in ("NVIDIA H200 (sm90)", "--runtime torch", "onnxruntime", "--backend tensorrt"):
        assert words in err
    assert not Path("models").exists()


def test_a_runtime_without_a_target_for_this_gpu_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    spec = build_spec_for(BuildRequest(), "tensorrt_rtx")
    with pytest.raises(
        RuntimeUnavailable, match=r"has no target for this machine's GPU, NVIDIA H200 \(sm90\)"
    ):
        compiler_of(None, spec)


def test_engines_are_timed_on_the_gpu_that_cuda_shows_first(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch, RTX_5090="12.0", NVIDIA_H200="9.0")
    assert why_not_timed(("sm120",)) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    reason = "the engines are for sm120, and the GPU here is NVIDIA H200 (sm90)"
    assert (why_not_timed(("sm90",)), why_not_timed(("sm120",))) == (None, reason)
    assert build_spec_for(BuildRequest(), "tensorrt").targets == ("sm90",)


def test_what_needs_no_version_is_refused_without_a_compiler(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", ())
    code, _, err = trtbench("compare", "fp16", "--backend", "trtexec", "--tactic-table")
    assert (code, "trtexec has no flag for --tactic-table" in err) == (2, True), err


def test_without_a_gpu_tensorrt_is_no_default(
    trtbench: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[2])
    code, _, err = trtbench("build", "m.onnx")
    assert (code, install_command("rtx") in err) == (1, True), err
    code, _, err = trtbench("build", "m.onnx", "--backend", "tensorrt")
    assert (code, "nvidia-ml-py cannot be used here" in err) == (1, True), err


MISSING = {
    "tensorrt": ("TensorRT cannot be used here", "nvcr.io/nvidia/tensorrt:", install_command("tensorrt")),
    "trtexec": ("no trtexec on PATH", "nvcr.io/nvidia/tensorrt:"),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without TensorRT, trtexec and GPU, whose clone lies in a long path."""
    clone = Path("/home/someone/projects/vision/inference/benchmarks/of/transformers/trtbench")
    monkeypatch.setattr("trtbench.host.installation._project_option", lambda: f" --project {clone}")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", ())


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "m.onnx", "--backend"],
        ["compare", "fp16", "nvfp4", "--backend"],
    ],
    ids=" ".join,
)
def test_what_is_missing_is_named_before_the_gpu_and_any_export(
    arguments: list[str], backend: str, trtbench: Run, bare: None
) -> None:
    code, out, err = trtbench(*arguments, backend)
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    words = (*MISSING[backend], "tensorrt_rtx instead", "needs a GPU", "trtbench doctor")
    places = [err.find(word) for word in words]
    assert places == sorted(places), err
    assert -1 not in places, err
    assert "..." not in err
    assert not Path("models").exists()


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec"])
def test_with_a_gpu_only_the_compiler_is_missing(
    backend: str, trtbench: Run, bare: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_gpu(monkeypatch)
    code, _, err = trtbench("compare", "fp16", "--backend", backend)
    assert code == 1, err
    assert all(word in err for word in MISSING[backend]), err
    assert "needs a GPU" not in err


def test_with_tensorrt_only_the_gpu_is_missing(
    trtbench: Run, bare: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1")
    code, _, err = trtbench("compare", "fp16", "--backend", "tensorrt")
    assert (code, len(err.splitlines())) == (1, 1), err
    assert "TensorRT 10.14.1.48.post1 builds for the local GPU: nvidia-ml-py cannot be used here" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "m.onnx", "--timing-cache", "shared"], ["--timing-cache shared", "TensorRT-RTX"]),
        (["build", "m.onnx", "--timing-cache", "off"], ["--timing-cache off", "TensorRT-RTX"]),
        (["build", "m.onnx", "--tactic-table"], ["--tactic-table", "TensorRT-RTX"]),
        (["build", "m.onnx", "--version-compatible"], ["--version-compatible", "TensorRT-RTX"]),
        (
            ["build", "m.onnx", "--hardware-compatibility", "ampere_plus"],
            ["--hardware-compatibility ampere_plus", "TensorRT-RTX"],
        ),
        (["build", "m.onnx", "--optimization-level", "0"], ["--optimization-level 0", "TensorRT-RTX"]),
        (["compare", "fp16", "--tiling", "fast"], ["--tiling fast", "TensorRT-RTX"]),
        (["build", "m.onnx", "--backend", "trtexec", "--tactic-table"], ["trtexec", "--tactic-table"]),
        (["build", "m.onnx", "--optimization-level", "6"], ["--optimization-level 6: ", "5"]),
        (["build", "m.onnx", "--workspace-mib", "0"], ["--workspace-mib 0: expected 1 to 16777216"]),
        (
            ["build", "m.onnx", "--workspace-mib", "99999999999999"],
            ["--workspace-mib 99999999999999: expected 1 to 16777216"],
        ),
        (["build", "m.onnx", "--max-aux-streams", "-1"], ["--max-aux-streams -1: "]),
        (
            ["build", "m.onnx", "--max-aux-streams", "99999999999"],
            ["--max-aux-streams 99999999999: "],
        ),
        (
            ["build", "m.onnx", "--backend", "trtexec", "--target", "sm89,sm120"],
            ["sm89, sm120", "local GPU only", "--target"],
        ),
        (["build", "m.onnx", "--backend", "trtexec", "--target", "sm90"], ["sm90", "RTX PRO 6000 (sm120)"]),
        (
            ["compare", "fp16", "--backend", "trtexec", "--tactic-table"],
            ["trtexec has no flag for --tactic-table"],
        ),
        (["compare", "fp16", "--timing-cache", "shared"], ["--timing-cache shared", "TensorRT-RTX"]),
        (["build", "m.onnx", "--timeout-s", "0"], ["--timeout-s 0"]),
        (["build", "m.onnx", "--memory-limit-gb", "0"], ["--memory-limit-gb 0"]),
        (
            ["compare", "fp16", "--backend", "tensorrt", "--target", "sm89,sm120"],
            ["local GPU only"],
        ),
        (
            ["compare", "fp16", "--backend", "trtexec", "--runtime", "tensorrt_rtx"],
            ["--backend trtexec", "does not load", "use --runtime tensorrt or trtexec"],
        ),
        (
            ["compare", "fp16", "--backend", "tensorrt_rtx", "--runtime", "trtexec"],
            ["--backend tensorrt_rtx", "does not load", "use --runtime tensorrt_rtx"],
        ),
        (["compare", "fp16", "--runtime", "trtexec", "--l2", "flushed"], ["l2 flushed", "trtexec"]),
        (["compare", "fp16", "--runtime", "trtexec", "--regime", "burst"], ["regime burst", "trtexec"]),
        (["compare", "fp16", "--backend", "trtexec", "--l2", "rotated"], ["l2 rotated", "trtexec"]),
        (["bench", "fp16", "--runtime", "trtexec", "--l2", "flushed"], ["l2 flushed", "trtexec"]),
        (
            ["bench", "fp32", "--runtime", "onnxruntime-cpu", "--l2", "rotated"],
            ["l2 rotated", "only a GPU's"],
        ),
        (
            ["compare", "fp32", "--runtime", "torch", "--runtime", "onnxruntime-cpu", "--l2", "flushed"],
            ["l2 flushed", "runtime onnxruntime-cpu"],
        ),
        (
            [*("compare", "fp16", "--backend", "trtexec", "--regime", "burst"), *ENVIRONMENTS],
            ["regime burst", "trtexec"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0] in cli_commands() else "",
)
def test_what_a_compiler_or_a_runtime_lacks_is_one_line(
    arguments: list[str],
    words: list[str],
    trtbench: Run,
    gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.16.1.11")
    Path("x.engine").write_bytes(b"an engine")
    write_script(tmp_path, "fake")
    code, out, err = trtbench(*arguments)
    assert code == 2, err
    assert (out, len(err.splitlines())) == ("", 1)
    assert all(word in err for word in words), err
    assert not Path("models").exists()


def cli_commands() -> tuple[str, ...]:
    return ("build", "compare", "bench")


@pytest.mark.parametrize("version", TRTEXEC)
def test_trtexec_times_an_engine_in_blocks(
    version: str, trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, version)
    engine = engine_of(trtbench, "--backend", "trtexec")
    code, out, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST, "--json")
    assert code == 0, err
    result = json.loads(out)
    series = result["series"]
    assert {name: each["median"] for name, each in series.items()} == {"gpu_compute_ms": 5.25}
    assert (result["gpu"], result["batch"], result["processes"]) == ("RTX PRO 6000", 4, 2)
    assert result["images_per_s"] == pytest.approx(4 * 1000 / 5.25)
    facts = result["facts"]
    assert (facts["runtime_version"], facts["cuda_graph"]) == (f"TensorRT {version}", "runtime")
    assert facts["load_s"] == 0.125
    assert facts["layers"] == [{"name": "fc\x1f_0", "median_ms": 4.75, "share": 1.0}]
    assert f"each block is one run of {tmp_path}/trtexec --loadEngine=" in facts["notes"][0]
    assert "--warmUp=20 --duration=0.04" in facts["notes"][0]
    folder = Path("results") / result["raw"].partition("/")[0]
    blocks = [json.loads(line) for line in (folder / "blocks.jsonl").read_text().splitlines()]
    assert len(blocks) == series["gpu_compute_ms"]["samples"] / 3 >= 8
    assert {tuple(block["samples"]["gpu_compute_ms"]) for block in blocks} == {(5.0, 5.25, 5.5)}
    assert {block["telemetry"] for block in blocks} == {None}
    label = result["arm"]["label"]
    profiles = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("*/*/profile.json"))
    assert profiles == [f"{label}-0/prepare-0", f"{label}-1/prepare-0"]
    assert len(list(folder.glob("*/block-*/times.json"))) == len(blocks)
    log = (folder / f"{label}-0" / "block-0" / "trtexec.log").read_text()
    assert ("--duration=0.04" in log, "--exportProfile" in log) == (True, False)
    if int(version[:2]) < 11:
        assert "--useCudaGraph" in log


def test_trtexec_is_asked_for_its_version_once_for_all_builds_and_processes(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    asked: list[Any] = []
    run = subprocess.run

    def counted(argv: Any, **options: Any) -> Any:
        asked.append(argv)
        return run(argv, **options)

    monkeypatch.setattr("trtbench.trtexec.tool.subprocess.run", counted)
    engine = engine_of(trtbench, "--backend", "trtexec")
    code, _, err = trtbench("bench", engine, "--runtime", "trtexec", *FAST, "--processes", 3)
    assert code == 0, err
    assert [argv[1:] for argv in asked if argv[0] == tmp_path / "trtexec"] == [["--help"]]


def test_without_a_cuda_graph_it_is_said(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "11.2.1.2")
    engine = engine_of(trtbench, "--backend", "trtexec")
    result = json.loads(trtbench("bench", engine, "--no-graph", *FAST, "--json")[1])
    assert (result["arm"]["runtime"], result["facts"]["cuda_graph"]) == ("trtexec", "none")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"captures": False}, ["could not capture a CUDA graph"]),
        ({"errors": ["Error Code 6: API Usage Error"]}, ["trtexec 10.14.1.48 failed: Error Code 6"]),
        ({"times": "[]"}, ["no query in it"]),
    ],
)
def test_a_trtexec_that_fails_is_a_row_with_its_reason(
    behaviour: dict[str, Any],
    words: list[str],
    trtbench: Run,
    gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    Path("x.engine").write_bytes(b"an engine")
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", **behaviour)
    code, out, err = trtbench("bench", "x.engine", "--trust", "--runtime", "trtexec", *FAST)
    assert code == 1, err
    assert all(word in out for word in words), out


def test_without_trtexec_the_error_says_how_to_get_it(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("x.engine").write_bytes(b"an engine")
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", ())
    code, out, err = trtbench("bench", "x.engine", "--trust", "--runtime", "trtexec", *FAST)
    assert (code, out, "no trtexec on PATH" in err) == (1, "", True), err


def test_another_trtexec_on_path_is_another_run(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    arguments = ["bench", engine_of(trtbench, "--backend", "trtexec"), "--runtime", "trtexec", *FAST]
    names = []
    for version in ("10.14.1.48", "10.14.1.48", "11.0.0.114"):
        write_trtexec(tmp_path / "trtexec", version)
        code, out, err = trtbench(*arguments, "--json")
        assert code == 0, err
        result = json.loads(out)
        assert result["facts"]["runtime_version"] == f"TensorRT {version}"
        name = result["raw"].partition("/")[0]
        names.append(name)
        record = json.loads((Path("results") / name / "run.json").read_text())
        assert record["machine"]["trtexec"] == version
        (Path("results") / f"{name}.json").unlink()  # as if it had been interrupted before its end
    assert names[0] == names[1] != names[2]


def test_an_onnx_file_is_built_by_the_backend_and_timed_by_trtexec(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1")
    code, out, err = trtbench(
        "bench",
        "m.onnx",
        "--runtime",
        "trtexec",
        "--backend",
        "tensorrt",
        "--tiling",
        "full",
        *FAST,
        "--json",
    )
    assert code == 0, err
    assert "build: compile for sm120 with TensorRT 10.14.1.48.post1" in err
    manifest = load_artifact(Path(json.loads(out)["arm"]["artifact"])).manifest
    assert (manifest.backend, manifest.spec.options.tiling) == ("tensorrt", "full")  # type: ignore[union-attr]


@pytest.mark.parametrize(("compute_ms", "disagrees"), [([5.0, 5.25, 5.5], True), ([5.5, 5.5, 5.5], False)])
def test_trtexec_and_our_loop_on_one_engine(
    compute_ms: list[float],
    disagrees: bool,
    trtbench: Run,
    gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", compute_ms=compute_ms)
    monkeypatch.setattr("trtbench.measure.timers.ArmProcess", ScriptedWorker)
    monkeypatch.setattr("trtbench.compare.check.missing_packages", lambda runtime: [])
    engine = engine_of(trtbench, "--backend", "trtexec")
    runtimes = ["--runtime", "tensorrt", "--runtime", "trtexec"]
    code, out, err = trtbench("compare", engine, *runtimes, *FAST)
    assert code == 0, err
    assert ("warning TRTEXEC_DISAGREES" in out) == disagrees, out
    if disagrees:
        assert "5.5 ms on the GPU is 4.8% above the 5.25 ms that trtexec" in " ".join(out.split())
    assert f"{engine.name} on trtexec" in out


@pytest.mark.parametrize(
    ("picked", "words"),
    [
        (None, "none of 0 GEMMs names a sparse kernel; the build log calls 2 layers eligible"),
        ("fc1", None),
    ],
)
def test_what_the_log_says_of_sparsity_is_in_the_finding(
    picked: str | None,
    words: str | None,
    trtbench: Run,
    gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    lines = ["Layers eligible for sparse math: fc1, fc2"]
    lines += [f"TRT inference plan picked sparse implementation for layers: {picked}"] * (picked is not None)
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", sparsity=lines)
    engine = engine_of(trtbench, "--backend", "trtexec", "--sparsity")
    findings = json.loads(trtbench("inspect", engine, "--json")[1])["findings"]
    found = [finding for finding in findings if finding["code"] == "SPARSITY_NOT_USED"]
    assert [words in finding["message"] for finding in found] == [True] * (words is not None)
    assert [finding["layers"] for finding in found] == [["fc1", "fc2"]] * (words is not None)


def test_an_arm_of_trtexec_against_itself(
    trtbench: Run, gpu: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    install_trtexec(monkeypatch, tmp_path, "11.0.0.114")
    engine = engine_of(trtbench, "--backend", "trtexec")
    arguments = ["bench", engine, "--runtime", "trtexec", "--aa", 1, "--processes", 1]
    code, out, err = trtbench(*arguments, "--duration-s", 0.1, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert sum(report["verdicts"].values()) == 1
    name = report["raw"].partition("/")[0]
    assert report["facts"]["runtime_version"] == "TensorRT 11.0.0.114"
    command, logs, telemetry = report["facts"]["notes"]
    assert command.startswith(f"each block is one run of {tmp_path}/trtexec --loadEngine=")
    assert logs == f"logs, times and the profile of the layers: {name}/*/"
    assert telemetry.startswith("no telemetry")
    folders = sorted(path.name for path in Path("results", name).glob("*/"))
    assert [folder for folder in folders if "." not in folder] == ["0", "1", "2"]
    assert len(list(Path("results").glob(f"{name}/*/prepare-0/profile.json"))) == 3
