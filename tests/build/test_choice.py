"""Which compiler builds, in which place, for which GPU."""

import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from trtbench.build import build
from trtbench.build.choice import build_spec_for
from trtbench.build.compiler import backend_in, compiler_of
from trtbench.environments import Prepared, parse_environment
from trtbench.environments.prepared import Container
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.results.environments import Contents, Gpu
from trtbench.specs import BuilderOptions, BuildRequest, BuildSpec
from trtbench.store.artifacts import Store

IMAGE = "nvcr.io/nvidia/tensorrt:25.11-py3"
GPU = Gpu(name="RTX PRO 6000", compute_capability="12.0", memory_bytes=None, driver_version="580.1")
TENSORRT = BuildSpec(backend="tensorrt", options=BuilderOptions(timing_cache="shared"))
STAND_IN = """
import sys
sys.path.insert(0, {tests!r})
from support.scripted_builder import Script, load_scripted
script = Script(builds=True, layers=open({layers!r}).read())
sys.modules[__name__].__dict__.update(vars(load_scripted({version!r}, script).module))
"""


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr("trtbench.build.compiler.first_gpu", lambda: GPU)


@pytest.fixture
def no_gpu(monkeypatch):
    def fail():
        raise RuntimeUnavailable("no NVIDIA driver answers: NVML Shared Library Not Found")

    monkeypatch.setattr("trtbench.build.compiler.first_gpu", fail)
    monkeypatch.setattr("trtbench.build.choice.first_gpu", fail)


def place(word=f"docker:{IMAGE}", **found):
    nothing = {"tensorrt_rtx": None, "tensorrt": None, "targets": (), "cuda": None, "problem": None}
    container = Container(engine="docker", image=IMAGE, name="trtbench-0") if "docker" in word else None
    return Prepared(
        spec=parse_environment(word),
        python=(sys.executable,),
        container=container,
        contents=Contents(python="3.12.3", **{**nothing, **found}),
        image_digest="sha256:0" if container else None,
    )


@pytest.mark.parametrize(
    ("found", "backend"),
    [
        ({"tensorrt_rtx": "1.7.1.116"}, "tensorrt_rtx"),
        ({"tensorrt_rtx": "1.7.1.116", "tensorrt": "10.14.1.48"}, "tensorrt_rtx"),
        ({"tensorrt": "10.14.1.48"}, "tensorrt"),
        ({"tensorrt_problem": "libnvinfer.so.10"}, "tensorrt"),
        ({"tensorrt_problem": "libnvinfer.so.10", "problem": "libcuda.so.1"}, "tensorrt_rtx"),
        ({}, "tensorrt_rtx"),
    ],
)
def test_the_compiler_is_the_one_that_is_there(found, backend):
    assert backend_in(place(**found)) == backend


def test_a_container_of_nvidias_builds_with_its_tensorrt(tmp_path, monkeypatch, gpu):
    version = "10.14.1.48.post1"
    tests = Path(__file__).parents[1]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "tensorrt.py").write_text(
        STAND_IN.format(
            tests=str(tests),
            layers=str(tests / "data" / "tensorrt" / "inspector-10.json"),
            version=f"tensorrt-{version}",
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (4, 64)) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "graph", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    store, there = Store(tmp_path / "store"), place(tensorrt=version)
    engine, made = build(tmp_path / "m.onnx", TENSORRT, store, compiler=compiler_of(there, TENSORRT))
    manifest = engine.manifest
    assert (made, manifest.backend, manifest.backend_version) == (True, "tensorrt", version)
    assert manifest.spec.targets == ("sm120",)
    assert manifest.tool_versions["image"] == "sha256:0"
    assert (engine.directory / "inspector.json").is_file()
    caches = tmp_path / "store" / "engines" / "timing-caches"
    assert [path.name for path in caches.iterdir() if path.suffix == ".cache"] == [
        f"tensorrt-{version}-sm120-RTX-PRO-6000.cache"
    ]
    assert build(tmp_path / "m.onnx", TENSORRT, store, compiler=compiler_of(there, TENSORRT))[1] is False


@pytest.mark.parametrize(
    ("found", "backend", "words"),
    [
        ({}, "tensorrt", "has no TensorRT: use venv:tensorrt-rtx==VERSION"),
        ({"tensorrt": "10.14.1.48"}, "tensorrt_rtx", "has no TensorRT-RTX: there is TensorRT 10.14.1.48"),
        ({"tensorrt_rtx": "1.7.1.116"}, "tensorrt", "has no TensorRT: there is TensorRT-RTX 1.7.1.116"),
        ({"problem": "libcuda.so.1"}, "tensorrt_rtx", "it cannot be imported there: libcuda.so.1"),
        (
            {"tensorrt_rtx": "1.7.1.116", "tensorrt_problem": "libnvinfer.so.10"},
            "tensorrt",
            "has no TensorRT: it cannot be imported there: libnvinfer.so.10",
        ),
        ({"problem": "libcuda.so.1"}, "tensorrt", "has no TensorRT: use venv:tensorrt-rtx==VERSION"),
        ({"onnxruntime": "1.31.1"}, "tensorrt_rtx", "there is onnxruntime 1.31.1, for --runtime"),
        ({"tensorrt": "10.7.0.23"}, "tensorrt", "has TensorRT 10.7.0.23: 10.8 is the first for Blackwell"),
    ],
)
def test_an_environment_without_the_compiler_is_reported_in_one_line(gpu, found, backend, words):
    with pytest.raises(RuntimeUnavailable) as caught:
        compiler_of(place(**found), BuildSpec(backend=backend))
    assert str(caught.value).startswith(f"docker:{IMAGE} ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensorrt_in_a_container_needs_the_gpu_of_this_machine(no_gpu):
    with pytest.raises(RuntimeUnavailable) as caught:
        compiler_of(place(tensorrt="10.14.1.48"), TENSORRT)
    assert str(caught.value) == (
        f"docker:{IMAGE} has TensorRT 10.14.1.48, which builds for the local GPU: no NVIDIA driver "
        "answers: NVML Shared Library Not Found"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            TENSORRT.model_copy(update={"targets": ("sm89",)}),
            "target sm89: TensorRT builds for the local GPU",
        ),
        (BuildSpec(backend="trtexec"), "--backend trtexec builds locally, not in docker:"),
        (
            TENSORRT.model_copy(update={"memory_limit_bytes": 1}),
            "--memory-limit-gb cannot be enforced in docker:",
        ),
    ],
)
def test_what_cannot_be_had_there_is_refused(gpu, spec, words):
    with pytest.raises(SpecError, match=words):
        compiler_of(place(tensorrt="10.14.1.48"), spec)


@pytest.mark.parametrize(
    ("backend", "runtime", "capability", "targets"),
    [
        ("tensorrt_rtx", None, None, ("sm120",)),
        ("tensorrt_rtx", None, "8.9", ("sm120",)),
        ("tensorrt_rtx", "tensorrt_rtx", None, ("sm120",)),
        ("tensorrt_rtx", "tensorrt_rtx", "8.9", ("sm89",)),
        ("tensorrt_rtx", "tensorrt_rtx", "9.0", ()),
        ("tensorrt", None, None, ()),
        ("tensorrt", "tensorrt", "9.0", ("sm90",)),
    ],
)
def test_targets_that_the_request_leaves_open(monkeypatch, no_gpu, backend, runtime, capability, targets):
    if capability is not None:
        here = GPU.model_copy(update={"compute_capability": capability})
        monkeypatch.setattr("trtbench.build.choice.first_gpu", lambda: here)
    assert build_spec_for(BuildRequest(backend=backend), runtime).targets == targets


@pytest.mark.parametrize(
    ("asked", "runtime", "found", "backend"),
    [
        ("tensorrt", "trtexec", None, "tensorrt"),
        (None, "trtexec", None, "trtexec"),
        (None, None, {"tensorrt": "10.14.1.48"}, "tensorrt"),
        (None, None, {"tensorrt_rtx": "1.7.1.116"}, "tensorrt_rtx"),
        (None, None, None, "tensorrt_rtx"),
    ],
)
def test_the_backend_that_the_request_leaves_open(no_gpu, asked, runtime, found, backend):
    environment = None if found is None else place(**found)
    assert build_spec_for(BuildRequest(backend=asked), runtime, environment).backend == backend


@pytest.mark.parametrize(("asked", "sparse"), [(False, True), (True, False), (False, False)])
def test_the_sparsity_of_a_recipe_is_decided_here(no_gpu, asked, sparse):
    spec = build_spec_for(BuildRequest(sparsity=asked), sparse=sparse)
    assert spec.sparsity is (asked or sparse)


def test_several_targets_are_for_tensorrt_rtx_alone(no_gpu):
    assert build_spec_for(BuildRequest(targets=("sm120", "sm89"))).targets == ("sm89", "sm120")
    with pytest.raises(SpecError, match="tensorrt builds for the local GPU only; remove --target"):
        build_spec_for(BuildRequest(backend="tensorrt", targets=("sm120", "sm89")))
