"""The build stage with TensorRT and with trtexec: stand-ins build, everything around them is real."""

import os
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from scripted_builder import Script, load_scripted
from trt_api import VERSIONS
from trtexec_stand_in import write_trtexec

from trtbench.artifacts import Store
from trtbench.build import build
from trtbench.environment import Gpu
from trtbench.errors import BuildError, RuntimeUnavailable, SpecError
from trtbench.results import CompiledEngine
from trtbench.specs import BuilderOptions, BuildSpec

TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]
GPU = Gpu(name="RTX PRO 6000", compute_capability="12.0", memory_bytes=None, driver_version="580.1")
STAND_IN = """
import os
import sys
sys.path.insert(0, os.environ["TEST_FOLDER"])
from scripted_builder import Script, load_scripted
script = Script(builds=os.environ["TEST_BUILDS"] == "1", layers=open(os.environ["TEST_LAYERS"]).read())
api = load_scripted(os.environ["TEST_VERSION"], script)
sys.modules[__name__].__dict__.update(vars(api.module))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (4, 64)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbench.build.compiler.read_gpus", lambda: (GPU,))


def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, builds: bool = True) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "tensorrt.py").write_text(STAND_IN)
    generation = "10" if version.startswith("tensorrt-10.") else "11"
    tests = Path(__file__).parent.parent
    for name, value in {
        "PYTHONPATH": str(site),
        "TEST_FOLDER": str(tests),
        "TEST_LAYERS": str(tests / "data" / "tensorrt" / f"inspector-{generation}.json"),
        "TEST_VERSION": version,
        "TEST_BUILDS": str(int(builds)),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "tensorrt", load_scripted(version, Script()).module)


@pytest.mark.parametrize("version", TENSORRT)
def test_tensorrt_builds_an_artifact(
    version: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, version)
    store = Store(tmp_path / "store")
    spec = BuildSpec(backend="tensorrt", options=BuilderOptions(timing_cache="shared"))
    engine, made = build(model, spec, store)
    manifest = engine.manifest
    number = version.partition("-")[2]
    assert (made, manifest.backend, manifest.backend_version) == (True, "tensorrt", number)
    assert (manifest.activation_bytes, manifest.weight_bytes, manifest.scratch_bytes) == (2048, 8192, 512)
    assert manifest.peak_rss_bytes > 1_000_000
    assert manifest.spec.options.timing_cache == "shared"
    layers = CompiledEngine.model_validate_json((engine.directory / "layers.json").read_bytes())
    assert {tensor.dtype for layer in layers.layers for tensor in layer.inputs} <= {"Float", "Half"}
    cache = tmp_path / "store" / "engines" / "timing-caches" / f"tensorrt-{number}-sm120.cache"
    assert cache.read_bytes() == b"new "


def test_tensorrt_fails_in_its_own_words(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, TENSORRT[-1], builds=False)
    with pytest.raises(BuildError, match=r"m.onnx: build for sm120 with TensorRT 11.4.0.106 failed"):
        build(model, BuildSpec(backend="tensorrt"), Store(tmp_path / "store"))


def test_tensorrt_needs_a_gpu(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, TENSORRT[-1])

    def no_driver() -> Any:
        raise RuntimeUnavailable("no NVIDIA driver answers")

    monkeypatch.setattr("trtbench.build.compiler.read_gpus", no_driver)
    with pytest.raises(RuntimeUnavailable, match="no NVIDIA driver answers"):
        build(model, BuildSpec(backend="tensorrt"), Store(tmp_path / "store"))


@pytest.mark.parametrize("version", ["10.11.0.33", "10.14.1.48", "11.0.0.114"])
def test_trtexec_builds_an_artifact(
    version: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_trtexec(tmp_path / "trtexec", version)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    store, steps = Store(tmp_path / "store"), []
    engine, made = build(model, BuildSpec(backend="trtexec"), store, steps.append)
    assert steps[0] == f"compile for sm120 with TensorRT {version} (trtexec)"
    manifest = engine.manifest
    assert (made, manifest.backend, manifest.backend_version) == (True, "trtexec", version)
    assert [file.name for file in manifest.files][1:] == ["build.log", "layers.json", "inspector.json"]
    assert manifest.tool_versions["trtexec"] == version
    assert (manifest.activation_bytes, manifest.weight_bytes) == (2048, 8192)
    layers = CompiledEngine.model_validate_json((engine.directory / "layers.json").read_bytes())
    assert [layer.inputs[0].dtype for layer in layers.layers] == ["Half"]
    assert build(model, BuildSpec(backend="trtexec"), store) == (engine, False)
    with pytest.raises(SpecError, match="TensorRT builds for the GPU at hand, a RTX PRO 6000"):
        build(model, BuildSpec(backend="trtexec", targets=("sm90",)), store)


def test_trtexec_fails_in_its_own_words(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_trtexec(tmp_path / "trtexec", "11.0.0.114", errors=["Failed to parse onnx file"])
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(
        BuildError, match=r"with TensorRT 11.0.0.114 \(trtexec\) failed: Failed to parse onnx"
    ):
        build(model, BuildSpec(backend="trtexec"), Store(tmp_path / "store"))
