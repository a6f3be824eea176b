import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from support.tensorrt_machine import install_gpu

import trtbench
from trtbench.errors import RuntimeUnavailable
from trtbench.host.hardware import (
    RECORDED_PACKAGES,
    collect_environment,
    first_gpu,
    first_visible_gpu,
    package_versions,
    read_gpus,
)
from trtbench.host.installation import install_command
from trtbench.results.environments import Environment, Gpu


def test_versions_of_installed_packages_only() -> None:
    versions = package_versions(["pydantic", "no-such-distribution"])
    assert list(versions) == ["pydantic"]
    assert versions["pydantic"].startswith("2.")


def test_distribution_names_are_normalised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "nvidia_modelopt-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nvidia-modelopt\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_versions(["nvidia-modelopt"]) == {"nvidia-modelopt": "9.8.7"}


def test_environment_of_this_machine() -> None:
    environment = collect_environment()
    assert environment.trtbench_version == trtbench.__version__
    assert environment.python_version == platform.python_version()
    assert environment.cpu_model
    assert environment.cpu_count == len(os.sched_getaffinity(0))
    kilobytes = next(
        int(line.split()[1])
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    assert environment.memory_bytes == kilobytes * 1024
    assert set(environment.packages) <= set(RECORDED_PACKAGES)
    assert "onnx" in environment.packages
    assert (environment.gpus == ()) == (environment.no_gpu_reason is not None)


def test_variables_that_act_on_times_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    variables = collect_environment().variables
    assert variables is not None
    assert variables["OMP_NUM_THREADS"] == "3"
    assert "GITHUB_TOKEN" not in variables


def test_cpu_count_is_what_this_process_may_use() -> None:
    one_cpu = min(os.sched_getaffinity(0))
    script = (
        f"import os; os.sched_setaffinity(0, {{{one_cpu}}})\n"
        "from trtbench.host.hardware import collect_environment; print(collect_environment().cpu_count)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "1\n"


def test_environment_round_trip() -> None:
    gpu = Gpu(name="NVIDIA GB10", compute_capability="12.1", memory_bytes=None, driver_version="580.1")
    environment = collect_environment().model_copy(update={"gpus": (gpu,)})
    assert Environment.model_validate_json(environment.model_dump_json()) == environment
    assert gpu.target == "sm121"


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is an NVIDIA driver")
def test_no_driver_is_one_clear_line() -> None:
    pytest.importorskip("pynvml")
    with pytest.raises(RuntimeUnavailable, match="no NVIDIA driver answers: NVML Shared Library Not Found"):
        read_gpus()


@pytest.mark.gpu
def test_gpus_as_nvidia_smi_lists_them() -> None:
    command = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    lines = subprocess.check_output(command, text=True).splitlines()
    gpus = read_gpus()
    assert [f"{gpu.name}, {gpu.compute_capability}, {gpu.driver_version}" for gpu in gpus] == lines
    assert all(gpu.memory_bytes is None or gpu.memory_bytes > 1e9 for gpu in gpus)


def test_nvidia_ml_py_is_optional() -> None:
    script = (
        "import sys; sys.modules['pynvml'] = None\n"
        "from trtbench.host.hardware import collect_environment; print(collect_environment().no_gpu_reason)"
    )
    output = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert output.startswith("nvidia-ml-py cannot be used here (")
    assert output.endswith(f"): {install_command()}\n")


def test_import_is_light() -> None:
    script = (
        "import sys, trtbench.host.hardware, trtbench.doctor.diagnose, trtbench.store.artifacts\n"
        "heavy = {'torch', 'timm', 'modelopt', 'tensorrt', 'tensorrt_rtx', 'onnx', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"


class _TwoGpus:
    """The part of ``pynvml`` that tells GPUs apart; handles are their numbers."""

    uuids = ("GPU-aaaa-1", "GPU-bbbb-2")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.uuids)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return self.uuids[handle]


@pytest.mark.parametrize(
    ("visible", "handle"),
    [
        (None, 0),
        ("1", 1),
        ("1,0", 1),
        ("GPU-bbbb-2", 1),
        ("GPU-bb,GPU-aa", 1),
        ("", None),
        ("-1", None),
        ("2", None),
        ("MIG-cccc", None),
    ],
)
def test_the_first_gpu_is_the_first_that_cuda_sees(visible: str | None, handle: int | None) -> None:
    assert first_visible_gpu(_TwoGpus(), visible) == handle


def test_the_first_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch, RTX_5090="12.0", NVIDIA_H200="9.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (first_gpu().name, first_gpu().target) == ("RTX 5090", "sm120")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert (first_gpu().name, first_gpu().target) == ("NVIDIA H200", "sm90")
    assert [gpu.name for gpu in read_gpus()] == ["RTX 5090", "NVIDIA H200"]


@pytest.mark.parametrize("visible", ["", "-1", "2", "GPU-cccc", "MIG-cccc"])
def test_a_gpu_that_is_hidden_is_none(visible: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch, RTX_5090="12.0", NVIDIA_H200="9.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(RuntimeUnavailable, match=f"CUDA_VISIBLE_DEVICES='{visible}' begins with none"):
        first_gpu()
