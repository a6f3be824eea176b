"""What this machine cannot do is reported before anything is exported."""

import shutil

import pytest
from support.grids import grid_of, install_exports, install_no_gpu
from support.scripted import write_script
from support.tensorrt_machine import install_gpu, install_trtexec, write_model

from trtbench.compare import bench, compare
from trtbench.errors import ArtifactError, RuntimeUnavailable, SpecError
from trtbench.host import hardware
from trtbench.specs import BenchSpec, BuilderOptions, BuildRequest, Grid
from trtbench.store.artifacts import Store


@pytest.fixture
def exported(monkeypatch, tmp_path):
    return install_exports(monkeypatch, tmp_path)


@pytest.fixture
def refused(tmp_path, exported):
    """Run a grid that is refused; give the text, and prove that nothing was made for it."""

    def run(grid, error, stage=compare):
        store = Store(tmp_path / "store")
        with pytest.raises(error) as caught:
            stage(grid, store)
        assert (exported.seen, store.root.exists()) == ([], False)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


@pytest.mark.parametrize("stage", [compare, bench])
@pytest.mark.parametrize("runtime", ["onnxruntime", "torch", "tensorrt_rtx"])
def test_a_runtime_without_its_gpu(monkeypatch, refused, stage, runtime):
    install_no_gpu(monkeypatch)
    text = refused(grid_of("fp16", runtimes=(runtime,)), RuntimeUnavailable, stage)
    assert text.startswith(f"runtime {runtime} needs a GPU: no NVIDIA driver answers")
    assert "--runtime onnxruntime-cpu times on the CPU" in text


def test_trtexec_that_is_not_there(monkeypatch, refused, tmp_path):
    install_gpu(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    text = refused(grid_of("fp16", runtimes=("trtexec",)), RuntimeUnavailable)
    assert text.startswith("no trtexec on PATH")


def test_tensorrt_that_is_not_installed(monkeypatch, refused):
    install_gpu(monkeypatch)
    text = refused(grid_of("fp16", runtimes=("tensorrt",)), RuntimeUnavailable)
    assert text == "runtime tensorrt needs tensorrt; trtbench doctor shows how to install it"


def test_a_gpu_that_tensorrt_rtx_has_no_target_for(monkeypatch, refused):
    install_gpu(monkeypatch, NVIDIA_H200="9.0")
    text = refused(grid_of("fp16", runtimes=("tensorrt_rtx",)), RuntimeUnavailable)
    assert text.startswith("TensorRT-RTX has no target for this machine's GPU, NVIDIA H200 (sm90)")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"runtimes": ("tensorrt",), "build": BuildRequest(backend="tensorrt_rtx")},
            "--backend tensorrt_rtx: ",
        ),
        ({"build": BuildRequest(targets=("sm100",))}, "target 'sm100' (B200)"),
        ({"build": BuildRequest(options=BuilderOptions(tiling="full"))}, "--tiling full: "),
        ({"runtimes": ("fake",)}, "runtime fake takes script files"),
        ({"runtimes": ("abacus",)}, "runtime 'abacus': expected one of"),
        ({"runtimes": ("torch", "torch")}, "runtime torch is named more than once"),
        ({"runtimes": ("onnxruntime-cpu",), "bench": BenchSpec(l2="flushed")}, "l2 flushed: "),
    ],
)
def test_a_wrong_option(monkeypatch, refused, fields, words, tmp_path):
    install_gpu(monkeypatch)
    monkeypatch.setattr("trtbench.compare.check.missing_packages", lambda runtime: [])
    assert refused(grid_of("fp16", **fields), SpecError).startswith(words)


def test_files_need_a_runtime(refused, tmp_path):
    script = write_script(tmp_path, "a")
    assert refused(Grid(files=(str(script),)), SpecError).startswith(f"name a --runtime to time {script} in")


def test_a_file_of_unknown_batch_beside_recipes(monkeypatch, refused, tmp_path):
    install_no_gpu(monkeypatch)
    model = write_model(tmp_path / "own.onnx", batch="batch")
    text = refused(grid_of("fp16", files=(str(model),)), SpecError)
    assert text == f"{model}: its batch is not known; compare it without recipes"


def test_a_file_of_another_batch_than_the_recipes_beside_it(monkeypatch, refused, tmp_path):
    install_no_gpu(monkeypatch)
    model = write_model(tmp_path / "own.onnx", batch=2)
    text = refused(grid_of("fp16", files=(str(model),)), SpecError)
    assert text == f"{model} has batch 2, the recipes beside it 4; use --batch 2"


def test_a_grid_of_nothing(refused):
    assert refused(Grid(), SpecError).startswith("nothing to compare")


def test_a_full_disk(monkeypatch, refused):
    install_no_gpu(monkeypatch)
    usage = shutil.disk_usage("/")._replace(free=20_000_000)
    monkeypatch.setattr("trtbench.compare.check.shutil.disk_usage", lambda path: usage)
    text = refused(grid_of("fp16", runtimes=("onnxruntime-cpu",)), ArtifactError)
    assert "20.0 MB free, a comparison needs at least 50.0 MB; make room" in text


def test_one_runtime_that_cannot_be_used_is_a_row(monkeypatch, exported, tmp_path):
    install_gpu(monkeypatch)
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    monkeypatch.setattr("trtbench.compare.check.missing_packages", lambda runtime: [])
    monkeypatch.setattr("trtbench.compare.grid.time_cells", lambda *arguments: None)
    grid = grid_of("fp16", runtimes=("onnxruntime-cpu", "tensorrt"))
    cpu, tensorrt = compare(grid, Store(tmp_path / "store")).rows
    assert (cpu.status, tensorrt.status) == ("ok", "failed")
    assert tensorrt.reason.startswith("TensorRT cannot be used here")
    assert (cpu.key, tensorrt.key) == ("fp16 on onnxruntime-cpu", "fp16 on tensorrt")


def test_cuda_is_asked_where_nvml_does_not_answer(monkeypatch):
    install_no_gpu(monkeypatch)
    with pytest.raises(RuntimeUnavailable, match="NVML"):
        hardware.check_cuda()
    monkeypatch.setattr(hardware, "_cuda_devices", lambda: 1)
    hardware.check_cuda()
