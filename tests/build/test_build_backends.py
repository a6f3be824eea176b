"""The build stage with TensorRT and with trtexec: stand-ins build, everything around them is real."""

from pathlib import Path
from typing import Any

import pytest
from support.tensorrt_machine import install_gpu, install_tensorrt, install_trtexec, write_model
from support.trt_api import VERSIONS

from trtbench.build import build
from trtbench.build.engine import engine_id
from trtbench.errors import BuildError, Code, RuntimeUnavailable, SpecError
from trtbench.progress import Step
from trtbench.results import CompiledEngine
from trtbench.specs import BuildBackend, BuilderOptions, BuildSpec
from trtbench.store.artifacts import Store

SKIPPED = "[TRT] Error Code 9: Skipping tactic 0x0 due to exception no workspace"
TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "m.onnx")


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install_gpu(monkeypatch)


@pytest.mark.parametrize("version", TENSORRT)
def test_tensorrt_builds_an_artifact(
    version: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt(monkeypatch, tmp_path, version)
    store, steps = Store(tmp_path / "store"), []
    spec = BuildSpec(backend="tensorrt", options=BuilderOptions(timing_cache="shared"))
    engine, made = build(model, spec, store, steps.append)
    manifest = engine.manifest
    number = version.partition("-")[2]
    assert (made, manifest.backend, manifest.backend_version) == (True, "tensorrt", number)
    assert (manifest.activation_bytes, manifest.weight_bytes, manifest.scratch_bytes) == (2048, 8192, 512)
    assert manifest.peak_rss_bytes > 1_000_000
    assert manifest.spec.options.timing_cache == "shared"
    layers = CompiledEngine.model_validate_json((engine.directory / "layers.json").read_bytes())
    assert {tensor.dtype for layer in layers.layers for tensor in layer.inputs} <= {"Float", "Half"}
    cache = tmp_path / "store" / "engines" / "timing-caches" / f"tensorrt-{number}-sm120-RTX-PRO-6000.cache"
    assert cache.read_bytes() == b"new "


def test_tensorrt_fails_in_its_own_words(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[-1], builds=False)
    with pytest.raises(BuildError, match=r"m.onnx: build for sm120 with TensorRT 11.4.0.106 failed"):
        build(model, BuildSpec(backend="tensorrt"), Store(tmp_path / "store"))


def test_tensorrt_needs_a_gpu(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_tensorrt(monkeypatch, tmp_path, TENSORRT[-1])

    def no_driver() -> Any:
        raise RuntimeUnavailable("no NVIDIA driver answers")

    monkeypatch.setattr("trtbench.build.compiler.first_gpu", no_driver)
    with pytest.raises(RuntimeUnavailable, match="no NVIDIA driver answers"):
        build(model, BuildSpec(backend="tensorrt"), Store(tmp_path / "store"))


@pytest.mark.parametrize("version", ["10.11.0.33", "10.14.1.48", "11.0.0.114"])
def test_trtexec_builds_an_artifact(
    version: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, version)
    store, steps = Store(tmp_path / "store"), []
    engine, made = build(model, BuildSpec(backend="trtexec"), store, steps.append)
    assert steps[0] == Step("build", f"compile for sm120 with TensorRT {version} (trtexec)")
    manifest = engine.manifest
    assert (made, manifest.backend, manifest.backend_version) == (True, "trtexec", version)
    assert [file.name for file in manifest.files][1:] == ["build.log", "layers.json", "inspector.json"]
    assert manifest.tool_versions["trtexec"] == version
    assert (manifest.activation_bytes, manifest.weight_bytes) == (2048, 8192)
    layers = CompiledEngine.model_validate_json((engine.directory / "layers.json").read_bytes())
    assert [layer.inputs[0].dtype for layer in layers.layers] == ["Half"]
    assert build(model, BuildSpec(backend="trtexec"), store) == (engine, False)
    with pytest.raises(SpecError, match="TensorRT builds for the local GPU, RTX PRO 6000"):
        build(model, BuildSpec(backend="trtexec", targets=("sm90",)), store)


def test_trtexec_fails_in_its_own_words(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_trtexec(monkeypatch, tmp_path, "11.0.0.114", errors=["Failed to parse onnx file"])
    with pytest.raises(
        BuildError, match=r"with TensorRT 11.0.0.114 \(trtexec\) failed: Failed to parse onnx"
    ):
        build(model, BuildSpec(backend="trtexec"), Store(tmp_path / "store"))


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec"])
def test_each_model_of_gpu_has_its_own_engine(
    backend: BuildBackend, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1")
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
    store, spec = Store(tmp_path / "store"), BuildSpec(backend=backend)
    install_gpu(monkeypatch, RTX_5090="12.0", RTX_PRO_6000="12.0")
    first, _ = build(model, spec, store)
    assert first.manifest.tool_versions["gpu"] == "RTX 5090"
    assert build(model, spec, store) == (first, False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    second, made = build(model, spec, store)
    assert (made, second.manifest.tool_versions["gpu"]) == (True, "RTX PRO 6000")
    assert second.manifest.spec_id != first.manifest.spec_id


def test_the_identity_of_engines_of_tensorrt_rtx_has_no_gpu() -> None:
    assert engine_id(BuildSpec(), "source", "1.7.1.116") == "a16de7302c51c22a"


def test_a_build_by_trtexec_that_passes_a_limit_says_so(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", harmless=[SKIPPED], takes_bytes=400_000_000)
    spec = BuildSpec(backend="trtexec", memory_limit_bytes=200_000_000)
    with pytest.raises(BuildError, match=r"\(trtexec\) failed: stopped at .*--memory-limit-gb") as caught:
        build(model, spec, Store(tmp_path / "store"))
    assert caught.value.code == Code.BUILD_MEMORY_LIMIT


def test_a_build_by_trtexec_that_is_killed_says_so(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", harmless=[SKIPPED], dies_of=9)
    with pytest.raises(BuildError, match=r"failed: killed by signal 9 \(probably out of memory\)"):
        build(model, BuildSpec(backend="trtexec"), Store(tmp_path / "store"))


def test_advice_about_targets_is_not_for_trtexec(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_trtexec(monkeypatch, tmp_path, "10.14.1.48", errors=["HW-specific datatypes: fp4"])
    with pytest.raises(BuildError, match=r"failed: HW-specific datatypes: fp4 \(log: "):
        build(model, BuildSpec(backend="trtexec"), Store(tmp_path / "store"))
