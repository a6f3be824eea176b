"""What is decided about each environment before and after anything runs in it."""

import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from support.scripted import BENCH
from support.tensorrt_machine import install_gpu, install_tensorrt, install_trtexec, write_model

from trtbench.build import build
from trtbench.build.compiler import backend_in, compiler_of
from trtbench.cli.build_requests import specs_by_backend
from trtbench.cli.options import BuildOptions
from trtbench.compare.timed import Timing
from trtbench.compare.versions import Plan, compare_environments
from trtbench.environments import Prepared, parse_environment
from trtbench.environments.prepared import Container
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.results import OnnxManifest, TensorRecord
from trtbench.results.environments import Contents, Gpu
from trtbench.specs import BuilderOptions, BuildSpec, ExportSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import OnnxArtifact, Store, file_record

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
    engine, made = build(tmp_path / "m.onnx", TENSORRT, store, environment=there)
    manifest = engine.manifest
    assert (made, manifest.backend, manifest.backend_version) == (True, "tensorrt", version)
    assert manifest.spec.targets == ("sm120",)
    assert manifest.tool_versions["image"] == "sha256:0"
    assert (engine.directory / "inspector.json").is_file()
    caches = tmp_path / "store" / "engines" / "timing-caches"
    assert [path.name for path in caches.iterdir() if path.suffix == ".cache"] == [
        f"tensorrt-{version}-sm120-RTX-PRO-6000.cache"
    ]
    assert build(tmp_path / "m.onnx", TENSORRT, store, environment=there)[1] is False


@pytest.mark.parametrize(
    ("found", "backend", "words"),
    [
        ({}, "tensorrt", "has no TensorRT: take venv:tensorrt-rtx==VERSION"),
        ({"tensorrt": "10.14.1.48"}, "tensorrt_rtx", "has no TensorRT-RTX: there is TensorRT 10.14.1.48"),
        ({"tensorrt_rtx": "1.7.1.116"}, "tensorrt", "has no TensorRT: there is TensorRT-RTX 1.7.1.116"),
        ({"problem": "libcuda.so.1"}, "tensorrt_rtx", "it cannot be imported there: libcuda.so.1"),
        (
            {"tensorrt_rtx": "1.7.1.116", "tensorrt_problem": "libnvinfer.so.10"},
            "tensorrt",
            "has no TensorRT: it cannot be imported there: libnvinfer.so.10",
        ),
        ({"problem": "libcuda.so.1"}, "tensorrt", "has no TensorRT: take venv:tensorrt-rtx==VERSION"),
        ({"onnxruntime": "1.31.1"}, "tensorrt_rtx", "there is onnxruntime 1.31.1, for --runtime"),
        ({"tensorrt": "10.7.0.23"}, "tensorrt", "has TensorRT 10.7.0.23: 10.8 is the first for Blackwell"),
    ],
)
def test_an_environment_without_the_compiler_is_told_in_one_line(gpu, found, backend, words):
    with pytest.raises(RuntimeUnavailable) as caught:
        compiler_of(place(**found), BuildSpec(backend=backend))
    assert str(caught.value).startswith(f"docker:{IMAGE} ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensorrt_in_a_container_needs_the_gpu_of_this_machine(no_gpu):
    with pytest.raises(RuntimeUnavailable) as caught:
        compiler_of(place(tensorrt="10.14.1.48"), TENSORRT)
    assert str(caught.value) == (
        f"docker:{IMAGE} has TensorRT 10.14.1.48, which builds for the GPU at hand: no NVIDIA driver "
        "answers: NVML Shared Library Not Found"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            TENSORRT.model_copy(update={"targets": ("sm89",)}),
            "target sm89: TensorRT builds for the GPU at hand",
        ),
        (BuildSpec(backend="trtexec"), "--backend trtexec builds here, not in docker:"),
        (
            TENSORRT.model_copy(update={"memory_limit_bytes": 1}),
            "--memory-limit-gb cannot be kept in docker:",
        ),
    ],
)
def test_what_cannot_be_had_there_is_refused(gpu, spec, words):
    with pytest.raises(SpecError, match=words):
        compiler_of(place(tensorrt="10.14.1.48"), spec)


def test_targets_by_compiler(monkeypatch, no_gpu):
    assert {name: spec.targets for name, spec in specs_by_backend(BuildOptions()).items()} == {
        "tensorrt_rtx": ("sm120",),
        "tensorrt": ("sm120",),
    }
    hopper = GPU.model_copy(update={"compute_capability": "9.0"})
    monkeypatch.setattr("trtbench.build.choice.first_gpu", lambda: hopper)
    assert {name: spec.targets for name, spec in specs_by_backend(BuildOptions()).items()} == {
        "tensorrt_rtx": ("sm120",),
        "tensorrt": ("sm90",),
    }
    assert list(specs_by_backend(BuildOptions(backend="tensorrt"))) == ["tensorrt"]


class TestEnvironmentsTogether:
    """What one environment cannot do is its row alone; what none can do is a wrong request."""

    @pytest.fixture
    def exported(self, tmp_path, monkeypatch):
        """Recipes that count how often they are exported, all of them to one small file."""
        seen = []
        payload = write_model(tmp_path / "model.onnx")

        def make(spec, store, on_step):
            seen.append(str(spec.recipe))
            manifest = OnnxManifest(
                spec_id="0" * 16,
                spec=spec,
                files=(file_record(payload),),
                inputs=(TensorRecord(name="x", dtype="float16", shape=(4, 64)),),
                outputs=(TensorRecord(name="y", dtype="float16", shape=(4, 64)),),
                nodes=1,
                opset=20,
                analytic_flops={},
                calibration=None,
                sparsity=None,
                tool_versions={},
                created_utc="",
                duration_s=0,
            )
            return OnnxArtifact(tmp_path, manifest), True

        monkeypatch.setattr("trtbench.compare.versions.export", make)
        return seen

    @pytest.fixture
    def compare(self, tmp_path, monkeypatch, exported):
        install_gpu(monkeypatch)
        install_trtexec(monkeypatch, tmp_path, "10.14.1.48")
        install_tensorrt(monkeypatch, tmp_path, "tensorrt-10.14.1.48.post1")

        def run(places, by_backend, **timing):
            ready = {str(each.spec): each for each in places}
            monkeypatch.setattr("trtbench.compare.versions.prepare", lambda spec, *others: ready[str(spec)])
            return compare_environments(
                [ExportSpec(recipe=parse_recipe("fp16"), batch=4)],
                Plan(Timing(BENCH, lambda progress: None, **timing), by_backend),
                [each.spec for each in places],
                Store(tmp_path / "store"),
                lambda name, step: None,
            )

        return run

    def test_an_engine_of_trtexec_is_timed_by_trtexec(self, compare):
        spec = BuildSpec(backend="trtexec", targets=("sm120",))
        here, container = compare([place("local"), place(tensorrt="10.14.1.48")], {"trtexec": spec}).rows
        assert (here.status, here.runtime, here.reason) == ("ok", "trtexec", None)
        assert here.measured.facts.runtime_version == "TensorRT 10.14.1.48"
        assert (container.status, container.measured) == ("failed", None)
        assert "--backend trtexec builds here, not in docker:" in container.reason

    def test_a_compiler_without_an_option_is_a_row(self, compare, monkeypatch):
        monkeypatch.setattr("trtbench.compare.versions_timed.why_not_timed", lambda targets: "not now")
        venv = place("venv:tensorrt-rtx==1.5.0.114", tensorrt_rtx="1.5.0.114", targets=("sm120",))
        result = compare([venv, place(tensorrt="10.14.1.48.post1")], with_tactics("tensorrt_rtx", "tensorrt"))
        rtx, container = result.rows
        assert (rtx.status, rtx.reason.startswith("--tactic-table: TensorRT-RTX times")) == ("failed", True)
        assert (container.status, container.reason) == ("ok", None)
        assert container.engine.backend_version == "10.14.1.48.post1"

    def test_engines_that_are_not_timed_are_built_once_and_useless_options_are_told(
        self, compare, monkeypatch, tmp_path
    ):
        monkeypatch.setattr("trtbench.compare.versions_timed.why_not_timed", lambda targets: "not now")
        version = {"tensorrt": "10.14.1.48.post1"}
        places = [place(**version), place("docker:nvcr.io/nvidia/pytorch:25.11-py3", **version)]
        spec = BuildSpec(backend="tensorrt", targets=("sm120",))
        result = compare(places, {"tensorrt": spec}, rebuilds=1, given=("--l2", "--rebuilds"))
        assert [row.status for row in result.rows] == ["ok", "ok"]
        assert result.not_timed == "not now; --l2, --rebuilds had no say"
        assert not list((tmp_path / "store" / "engines").glob("*-rebuild1-*"))

    def test_an_option_that_no_compiler_has_is_refused_before_any_export(self, compare, exported):
        venvs = [
            place(f"venv:tensorrt-rtx=={version}", tensorrt_rtx=version, targets=("sm120",))
            for version in ("1.5.0.114", "1.7.1.116")
        ]
        with pytest.raises(SpecError, match=r"^--tactic-table: TensorRT-RTX times no tactics"):
            compare(venvs, with_tactics("tensorrt_rtx", "tensorrt"))
        assert exported == []

    @pytest.mark.parametrize("options", [BuilderOptions(), BuilderOptions(tactic_table=True)])
    def test_rows_that_have_all_failed_before_an_export_need_none(self, compare, exported, options):
        spec = BuildSpec(backend="tensorrt", targets=("sm120",), options=options)
        venvs = [
            place(f"venv:tensorrt-rtx=={version}", tensorrt_rtx=version, targets=("sm120",))
            for version in ("1.5.0.114", "1.7.1.116")
        ]
        result = compare(venvs, {"tensorrt": spec})
        assert exported == []
        assert [(row.status, row.onnx_sha256, row.measured) for row in result.rows] == [
            ("failed", None, None)
        ] * 2
        assert all("has no TensorRT: there is TensorRT-RTX 1." in row.reason for row in result.rows)

    def test_a_wrong_request_to_one_and_a_lack_of_the_other_need_no_export(self, compare, exported):
        spec = BuildSpec(backend="tensorrt", targets=("sm120",), memory_limit_bytes=1)
        venv = place("venv:tensorrt-rtx==1.7.1.116", tensorrt_rtx="1.7.1.116", targets=("sm120",))
        container, rtx = compare([place(tensorrt="10.14.1.48"), venv], {"tensorrt": spec}).rows
        assert exported == []
        assert container.reason.startswith("--memory-limit-gb cannot be kept in docker:")
        assert "has no TensorRT" in rtx.reason


def with_tactics(*backends):
    options = BuilderOptions(tactic_table=True)
    return {name: BuildSpec(backend=name, targets=("sm120",), options=options) for name in backends}
