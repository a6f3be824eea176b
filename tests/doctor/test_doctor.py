import io
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console
from support.trtexec_stand_in import write_trtexec

from trtbench.doctor import diagnose as doctor
from trtbench.doctor.diagnose import diagnose, tasks_of
from trtbench.host import hardware
from trtbench.host.hardware import collect_environment
from trtbench.host.installation import install_command, swap_command
from trtbench.report.text.doctor import render_diagnosis
from trtbench.results.doctor import Backend, Capability, Diagnosis
from trtbench.results.environments import Gpu

needs_export = pytest.mark.skipif(
    "nvidia-modelopt" not in collect_environment().packages, reason="no trtbench[export]"
)
needs_rtx = pytest.mark.skipif(
    "tensorrt-rtx" not in collect_environment().packages, reason="no trtbench[rtx]"
)


def capability(name: str) -> Capability:
    return next(row for row in diagnose().capabilities if row.name == name)


def backend(name: str) -> Backend:
    return next(row for row in diagnose().backends if row.name == name)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that comes before all others, in this process and in its children."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def record(site: Path, name: str, version: str) -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    hardware._version.cache_clear()


def write_module(site: Path, name: str, code: str) -> None:
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(code)


def write_command(commands: Path, name: str, code: str) -> None:
    (commands / name).write_text(f"#!/bin/sh\n{code}\n")
    (commands / name).chmod(0o755)


def on_machine_with(monkeypatch: pytest.MonkeyPatch, *gpus: Gpu) -> None:
    environment = collect_environment().model_copy(update={"gpus": gpus, "no_gpu_reason": None})
    monkeypatch.setattr(doctor, "collect_environment", lambda: environment)


RTX_6000 = Gpu(
    name="RTX PRO 6000", compute_capability="12.0", memory_bytes=96 * 10**9, driver_version="580.1"
)
H200 = Gpu(name="H200", compute_capability="9.0", memory_bytes=141 * 10**9, driver_version="580.1")


def test_every_gap_has_its_reason_cost_and_command(commands: Path) -> None:
    for row in diagnose().capabilities:
        assert row.cost
        assert row.command
        assert (row.status == "ok") == (row.problem is None)
        assert row.status != "ok" or row.version


def test_diagnosis_round_trip() -> None:
    diagnosis = diagnose()
    assert Diagnosis.model_validate_json(diagnosis.model_dump_json()) == diagnosis


@needs_rtx
def test_installed_tensorrt_rtx_names_its_targets() -> None:
    assert capability("TensorRT-RTX").status == "ok"
    assert backend("tensorrt_rtx").builds_for == ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")


def test_unsuitable_version_is_broken(site: Path) -> None:
    record(site, "tensorrt-rtx", "1.4.0.76")
    row = capability("TensorRT-RTX")
    assert row.status == "broken"
    assert "tensorrt-rtx 1.4.0.76 (needs <1.8,>=1.5)" in str(row.problem)
    assert row.command.startswith(install_command("rtx"))
    assert "proprietary licence" in row.command
    assert backend("tensorrt_rtx").builds_for == ()


@needs_export
def test_prerelease_of_a_container_counts_as_its_release(site: Path) -> None:
    record(site, "torch", "2.8.0a0+5228986c39.nv25.6")
    assert capability("export").status == "ok"


def test_old_torch_is_said_whatever_else_is_absent(site: Path) -> None:
    record(site, "torch", "2.1.0")
    row = capability("export")
    assert row.status != "ok"
    assert "unsuitable version: torch 2.1.0 (needs >=2.8)" in str(row.problem)


@pytest.mark.skipif("tensorrt" in collect_environment().packages, reason="TensorRT is installed")
def test_absent_module_is_missing() -> None:
    row = capability("TensorRT")
    assert (row.status, row.version, row.problem) == ("missing", None, "no module tensorrt")


def test_folder_of_that_name_is_no_module(site: Path) -> None:
    (site / "tensorrt").mkdir()
    assert capability("TensorRT").status == "missing"


def test_record_without_files_is_broken(site: Path) -> None:
    record(site, "tensorrt", "10.14.1")
    row = capability("TensorRT")
    assert (row.status, row.problem) == ("broken", "no module tensorrt, though tensorrt 10.14.1 is recorded")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise ImportError('libnvinfer.so.10: cannot open')", "ImportError: libnvinfer.so.10: cannot open"),
        ("import os; os.abort()", "died of SIGABRT"),
        ("import time; time.sleep(60)", "no answer within 1 s"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_import_that_fails_is_broken(
    site: Path, monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    monkeypatch.setattr(doctor, "_IMPORT_TIMEOUT_S", 1.0)
    monkeypatch.setattr(doctor, "_tensorrt_rtx", lambda: (not_under_test("TensorRT-RTX"), ()))
    monkeypatch.setattr(doctor, "_onnxruntime", lambda: not_under_test("ONNX Runtime"))
    write_module(site, "tensorrt", code)
    row = capability("TensorRT")
    assert (row.status, row.problem) == ("broken", problem)


def not_under_test(name: str) -> Capability:
    return Capability(name=name, status="missing", cost="", command="")


def test_module_that_works_is_ok_even_when_no_package_manager_knows_it(site: Path) -> None:
    write_module(site, "tensorrt", "print('a banner')\n__version__ = '11.1.0.106'")
    row = capability("TensorRT")
    assert (row.status, row.version) == ("ok", "11.1.0.106")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
def test_working_directory_is_not_imported_from(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_module(site, "tensorrt", "__version__ = 'of the site'")
    write_module(tmp_path, "tensorrt", "__version__ = 'of the working directory'")
    monkeypatch.chdir(tmp_path)
    assert capability("TensorRT").version == "of the site"


def test_both_onnxruntimes_are_a_finding(site: Path) -> None:
    assert diagnose().findings == ()
    record(site, "onnxruntime", "1.22.0")
    record(site, "onnxruntime-gpu", "1.22.0")
    (finding,) = diagnose().findings
    assert finding.code == "two-onnxruntimes"
    assert finding.hint == swap_command("onnxruntime onnxruntime-gpu", "onnxruntime")


def lacks(**missing: bool) -> dict[str, tuple[str, ...]]:
    names = ("export", "TensorRT-RTX", "TensorRT", "ONNX Runtime", "GPU", "cuda-bindings", "trtexec")
    works = {name: missing.get(name.replace(" ", "_").replace("-", "_"), True) for name in names}
    return {task.name: task.lacks for task in tasks_of(works)}


def test_without_onnxruntime_fp16_is_exported_and_nvfp4_is_not() -> None:
    found = lacks(ONNX_Runtime=False)
    assert found["export fp32, fp16, bf16"] == ()
    assert found["export int8, fp8, mxfp8, nvfp4"] == ("ONNX Runtime",)
    assert found["compare, predict, explain, tune"] == ("ONNX Runtime",)
    assert found["build, inspect, diff"] == ()


def test_a_compiler_that_needs_the_gpu_does_not_count_without_one() -> None:
    assert lacks(TensorRT_RTX=False)["build, inspect, diff"] == ()
    found = lacks(TensorRT_RTX=False, GPU=False)
    assert found["build, inspect, diff"] == ("TensorRT-RTX",)
    assert found["bench and compare on a GPU"] == ("GPU", "TensorRT-RTX")


def test_timing_on_a_gpu_takes_cuda_bindings() -> None:
    assert lacks(cuda_bindings=False)["bench and compare on a GPU"] == ("cuda-bindings",)


@pytest.mark.parametrize(
    ("code", "status", "problem"),
    [
        ("echo '&&&& RUNNING TensorRT.trtexec [TensorRT v101401] [b48] # trtexec --help'", "ok", None),
        ("echo '&&&& RUNNING trtexec'", "broken", "names no version of TensorRT"),
        (
            "echo 'error while loading shared libraries: libnvinfer.so.10' >&2; exit 127",
            "broken",
            "libnvinfer",
        ),
    ],
)
def test_trtexec_on_path(commands: Path, code: str, status: str, problem: str | None) -> None:
    write_command(commands, "trtexec", code)
    row = capability("trtexec")
    version = "10.14.1.48, " if status == "ok" else ""
    assert (row.status, row.version) == (status, f"{version}{commands / 'trtexec'}")
    assert (row.problem is None) if problem is None else (problem in str(row.problem))


def test_trtexec_beside_path(commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbench.trtexec.tool.PLACES", (str(tmp_path),))
    assert capability("trtexec").status == "missing"
    path = write_trtexec(tmp_path / "trtexec", "11.0.0.114")
    row = capability("trtexec")
    assert (row.status, row.version) == ("ok", f"11.0.0.114, {path}")


@pytest.mark.parametrize(
    ("programs", "status", "version", "command"),
    [
        ({}, "missing", None, "sudo apt-get install -y podman"),
        ({"docker": "echo 27.3.1"}, "ok", "docker 27.3.1", None),
        ({"podman": "echo podman version 4.9.3"}, "ok", "podman 4.9.3", None),
        (
            {"docker": "echo permission denied while trying to connect to the Docker daemon >&2; exit 1"},
            "broken",
            None,
            'sudo usermod -aG docker "$USER"  # then log in again',
        ),
        (
            {"docker": "echo Is the docker daemon running >&2; exit 1"},
            "broken",
            None,
            "sudo systemctl start docker",
        ),
        ({"docker": "exit 1", "podman": "echo podman version 5.0.0"}, "ok", "podman 5.0.0", None),
    ],
)
def test_container_engines(
    commands: Path, programs: dict[str, str], status: str, version: str | None, command: str | None
) -> None:
    for name, code in programs.items():
        write_command(commands, name, code)
    row = capability("containers")
    assert (row.status, row.version) == (status, version)
    assert command is None or row.command == command


@needs_rtx
def test_tensorrt_rtx_does_not_run_on_hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    on_machine_with(monkeypatch, H200)
    row = backend("tensorrt_rtx")
    assert row.runs_on == ()
    assert "sm120" in row.builds_for
    assert "H200 (sm90)" in row.note


@needs_rtx
def test_tensorrt_rtx_runs_on_blackwell_with_a_hopper_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    on_machine_with(monkeypatch, RTX_6000, H200)
    assert backend("tensorrt_rtx").runs_on == ("RTX PRO 6000",)


def test_tensorrt_builds_for_the_gpu_that_is_there(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(site, "tensorrt", "__version__ = '10.14.1'")
    if not collect_environment().gpus:
        assert backend("tensorrt").builds_for == ()
    on_machine_with(monkeypatch, H200, H200)
    assert backend("tensorrt").builds_for == ("sm90",)
    assert backend("tensorrt").runs_on == ("H200", "H200")
    assert next(row for row in diagnose().capabilities if row.name == "GPU").status == "ok"


@pytest.mark.parametrize("width", [40, 110])
def test_rendered_commands_can_be_copied(site: Path, commands: Path, width: int) -> None:
    record(site, "tensorrt-rtx", "1.4.0")
    record(site, "onnxruntime-gpu", "1.22.0")
    diagnosis = diagnose()
    stream = io.StringIO()
    render_diagnosis(diagnosis, Console(file=stream, width=width))
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    gaps = [row for row in diagnosis.capabilities if row.status != "ok"]
    assert "TensorRT-RTX" in {row.name for row in gaps}
    assert all(row.command in lines for row in gaps)
    assert ("two-onnxruntimes" in stream.getvalue()) == bool(diagnosis.findings)


def test_not_installed_package_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for row in (capability("export"), capability("TensorRT-RTX")):
        assert row.status == "broken"
        assert "trtbench itself is not installed" in str(row.problem)


def test_no_environment_variable_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    diagnose()
    assert "PYTHONSAFEPATH" not in os.environ
