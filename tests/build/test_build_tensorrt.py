"""The build of TensorRT and TensorRT-RTX against the API of every supported version."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from support.host_code import HOST_CODE
from support.scripted_builder import LAYERS, PLAN, TOTALS, Script, load_scripted
from support.trt_api import VERSIONS

from trtbench.build import child
from trtbench.build.dialect import build_job, check_options, check_target, import_compiler, version_numbers
from trtbench.build.targets import TARGETS_OF_1_7
from trtbench.errors import RuntimeUnavailable, SpecError
from trtbench.results.environments import Gpu
from trtbench.runtimes.trt_engine import open_log
from trtbench.specs import (
    BuilderOptions,
    BuildSpec,
    HardwareCompatibility,
    ShapeRange,
    TilingLevel,
    TimingCacheMode,
)
from trtbench.specs.build import BuildPaths

TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]
RTX = [version for version in VERSIONS if version.startswith("tensorrt_rtx-")]

X = ShapeRange(input="x", min_shape=(1, 3), opt_shape=(8, 3), max_shape=(64, 3))
EVERYTHING = BuilderOptions(
    timing_cache="shared",
    tactic_table=True,
    workspace_bytes=2**30,
    optimization_level=5,
    tiling="full",
    hardware_compatibility="same_compute_capability",
    version_compatible=True,
    max_aux_streams=0,
    profiles=((X,), (X,)),
)
WITHOUT_SAME_COMPUTE_CAPABILITY = ("tensorrt-10.8.0.43",)
EVERY_VALUE = [
    *({"timing_cache": mode} for mode in get_args(TimingCacheMode)),
    {"tactic_table": True},
    {"workspace_bytes": 2**20},
    *({"optimization_level": level} for level in range(6)),
    *({"tiling": level} for level in get_args(TilingLevel)),
    *({"hardware_compatibility": level} for level in get_args(HardwareCompatibility)),
    {"version_compatible": True},
    *({"max_aux_streams": number} for number in (0, 7)),
    {"profiles": ((X,),)},
]


def everything(version: str) -> BuilderOptions:
    """All options that a version has."""
    is_old = version in WITHOUT_SAME_COMPUTE_CAPABILITY
    return EVERYTHING.model_copy(update={"hardware_compatibility": "ampere_plus"} if is_old else {})


@pytest.fixture
def paths(tmp_path: Path) -> BuildPaths:
    names = ("model.onnx", "model.engine", "build.log", "inspector.json", "timing.cache")
    return BuildPaths(*(tmp_path / name for name in names))


def spec_of(version: str, options: BuilderOptions | None = None, **fields: Any) -> BuildSpec:
    return BuildSpec.model_validate(
        {"backend": version.partition("-")[0], "options": options or BuilderOptions(), **fields}
    )


def compiled(
    version: str,
    paths: BuildPaths,
    script: Script,
    options: BuilderOptions | None = None,
    change: Callable[[dict[str, Any]], None] = lambda description: None,
    **fields: Any,
) -> tuple[Any, list[str]]:
    """Run the child's work in this process; the log's lines come with the API."""
    api = load_scripted(version, script, change=change)
    job = build_job(spec_of(version, options, **fields), version.partition("-")[2], paths)
    transported = child.BuildJob(**json.loads(json.dumps(asdict(job))))
    child.compile_engine(api.module, transported, child.open_logger(api.module, paths.log))
    return api, paths.log.read_text().splitlines()


@pytest.mark.parametrize("version", TENSORRT)
def test_every_version_of_tensorrt_builds_strongly_typed_and_lists_its_layers(
    version: str, paths: BuildPaths
) -> None:
    script = Script()
    api, log = compiled(version, paths, script)
    config = script.config
    is_ten = version.startswith("tensorrt-10.")
    flag = api.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    assert script.network_flags == (1 << int(flag) if is_ten else 0)
    assert script.network_flags == (2 if is_ten else 0)
    assert config.profiling_verbosity.name == "DETAILED"
    assert (config.set_flags, config.cleared_flags) == (set(), {"TF32"})
    assert (config.capabilities, config.pools) == ([], {})
    assert (paths.engine.read_bytes(), paths.inspector.read_text()) == (PLAN, LAYERS)
    assert api.called("init_libnvinfer_plugins") == [(script.logger, "")]
    assert log == [
        "[INFO] Progress: 0/2 Building Engine",
        *(f"[INFO] {total}" for total in TOTALS),
    ]
    assert not paths.timing_cache.exists()


@pytest.mark.parametrize("version", TENSORRT)
def test_every_option_reaches_every_version_of_tensorrt(version: str, paths: BuildPaths) -> None:
    script = Script()
    paths.timing_cache.write_bytes(b"old ")
    options = everything(version)
    compiled(version, paths, script, options, sparsity=True)
    config = script.config
    assert config.set_flags == {"EDITABLE_TIMING_CACHE", "VERSION_COMPATIBLE", "SPARSE_WEIGHTS"}
    assert config.builder_optimization_level == 5
    assert config.max_aux_streams == 0
    assert config.tiling_optimization_level.name == "FULL"
    assert config.hardware_compatibility_level.name == options.hardware_compatibility.upper()
    assert config.pools == {"WORKSPACE": 2**30}
    assert script.profile_shapes == [("x", (1, 3), (8, 3), (64, 3))] * 2
    assert paths.timing_cache.read_bytes() == b"old new old "
    assert {path.suffix for path in paths.log.parent.iterdir()} == {
        ".cache",
        ".engine",
        ".json",
        ".lock",
        ".log",
    }


@pytest.mark.parametrize("version", TENSORRT)
def test_host_code_is_allowed_in_engines_that_are_built_with_it_alone(
    version: str, paths: BuildPaths
) -> None:
    script = Script()
    compiled(version, paths, script, BuilderOptions(version_compatible=True))
    assert paths.engine.read_bytes() == PLAN + HOST_CODE
    assert (script.runtime.engine_host_code_allowed, paths.inspector.read_text()) == (True, LAYERS)
    compiled(version, paths, script)
    assert (script.runtime.engine_host_code_allowed, paths.engine.read_bytes()) == (False, PLAN)


def test_every_option_is_among_the_values_that_are_tried() -> None:
    assert {name for values in EVERY_VALUE for name in values} == set(BuilderOptions.model_fields)


@pytest.mark.parametrize("values", EVERY_VALUE, ids=str)
@pytest.mark.parametrize("version", TENSORRT)
def test_every_value_of_every_option_is_one_that_the_version_has(
    version: str, values: dict[str, Any], paths: BuildPaths
) -> None:
    script, options = Script(), BuilderOptions.model_validate(values)
    if values == {"hardware_compatibility": "same_compute_capability"} and version in (
        WITHOUT_SAME_COMPUTE_CAPABILITY
    ):
        with pytest.raises(SpecError, match=r"^--hardware-compatibility same_compute_capability: TensorRT"):
            compiled(version, paths, script, options)
        return
    compiled(version, paths, script, options)
    config = script.config
    assert config.builder_optimization_level == options.optimization_level
    assert config.max_aux_streams == options.max_aux_streams
    assert config.pools == ({"WORKSPACE": 2**20} if options.workspace_bytes else {})
    assert _name(config.tiling_optimization_level) == (options.tiling and options.tiling.upper())
    level = None if options.hardware_compatibility == "none" else options.hardware_compatibility.upper()
    assert _name(config.hardware_compatibility_level) == level
    assert config.set_flags == {
        *(("DISABLE_TIMING_CACHE",) if options.timing_cache == "off" else ()),
        *(("EDITABLE_TIMING_CACHE",) if options.tactic_table else ()),
        *(("VERSION_COMPATIBLE",) if options.version_compatible else ()),
    }
    assert paths.timing_cache.exists() == (options.timing_cache == "shared")
    assert len(script.profile_shapes) == len(options.profiles)


def _name(member: Any) -> str | None:
    return None if member is None else str(member.name)


@pytest.mark.parametrize("version", TENSORRT)
def test_timings_of_tactics_are_kept_as_asked(version: str, paths: BuildPaths) -> None:
    script = Script()
    compiled(version, paths, script, BuilderOptions(timing_cache="off"))
    assert script.config.set_flags == {"DISABLE_TIMING_CACHE"}
    compiled(version, paths, script, BuilderOptions(timing_cache="shared"))
    assert (script.config.set_flags, paths.timing_cache.read_bytes()) == (set(), b"new ")


@pytest.mark.parametrize("version", TENSORRT)
def test_timings_that_do_not_combine_are_left_as_they_are_and_it_is_said(
    version: str, paths: BuildPaths
) -> None:
    paths.timing_cache.write_bytes(b"of others ")
    _, log = compiled(version, paths, Script(cache_combines=False), BuilderOptions(timing_cache="shared"))
    assert paths.timing_cache.read_bytes() == b"of others "
    assert log[-1] == (
        f"[WARNING] Timing cache: TensorRT does not combine the timings of this build with those in "
        f"{paths.timing_cache}, which stays as it was: delete it, if that happens again"
    )


@pytest.mark.parametrize("version", RTX)
def test_tensorrt_rtx_is_built_as_before_there_was_another(version: str, paths: BuildPaths) -> None:
    script = Script()
    api, _ = compiled(version, paths, script, sparsity=True, targets=("sm89", "sm120"))
    config = script.config
    assert script.network_flags == 0
    assert config.set_flags == {"DISABLE_TIMING_CACHE", "SPARSE_WEIGHTS"}
    assert (config.num_compute_capabilities, config.capabilities) == (2, ["SM89", "SM120"])
    assert api.called("init_libnvinfer_plugins") == []
    assert not paths.inspector.exists()
    by_hand = child.BuildJob(
        str(paths.onnx), str(paths.engine), str(paths.log), ("sm89", "sm120"), sparsity=True
    )
    job = build_job(spec_of(version, sparsity=True, targets=("sm89", "sm120")), "1.7.1", paths)
    assert job == by_hand


@pytest.mark.parametrize("version", RTX)
def test_every_option_that_tensorrt_rtx_takes_reaches_every_version_of_it(
    version: str, paths: BuildPaths
) -> None:
    script = Script()
    options = BuilderOptions(workspace_bytes=2**20, max_aux_streams=7, profiles=((X,),))
    compiled(version, paths, script, options)
    assert (script.config.pools, script.config.max_aux_streams) == ({"WORKSPACE": 2**20}, 7)
    assert script.profile_shapes == [("x", (1, 3), (8, 3), (64, 3))]


@pytest.mark.parametrize("version", RTX)
def test_every_target_is_one_that_the_version_has(version: str, paths: BuildPaths) -> None:
    script = Script()
    compiled(version, paths, script, targets=TARGETS_OF_1_7)
    assert script.config.capabilities == [target.upper() for target in TARGETS_OF_1_7]


@pytest.mark.parametrize("version", RTX)
def test_a_target_that_tensorrt_rtx_does_not_take(version: str, paths: BuildPaths) -> None:
    with pytest.raises(ValueError, match="TensorRT-RTX does not take sm120 as a target"):
        compiled(version, paths, Script(takes_targets=False))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refusal_ends_the_build_with_the_compilers_own_words(version: str, paths: BuildPaths) -> None:
    with pytest.raises(child.CompileFailed):
        compiled(version, paths, Script(parses=False))
    assert paths.log.read_text() == "[ERROR] In node 3 with name: /q: unsupported\n"
    with pytest.raises(child.CompileFailed):
        compiled(version, paths, Script(builds=False))
    assert not paths.engine.exists()


@pytest.mark.parametrize("version", TENSORRT)
def test_what_does_not_fit_is_an_error(version: str, paths: BuildPaths) -> None:
    with pytest.raises(child.CompileFailed):
        compiled(version, paths, Script(loads=False))
    with pytest.raises(ValueError, match="a timing cache of another version or GPU: delete it"):
        compiled(version, paths, Script(cache_fits=False), BuilderOptions(timing_cache="shared"))
    with pytest.raises(ValueError, match=r"optimization profile \{'x'.* does not fit the inputs"):
        compiled(version, paths, Script(profile_index=-1), BuilderOptions(profiles=((X,),)))


@pytest.mark.parametrize("version", TENSORRT)
def test_an_engine_with_profiles_is_inspected_at_the_shape_that_the_first_is_optimised_for(
    version: str, paths: BuildPaths
) -> None:
    script, wide = Script(), X.model_copy(update={"opt_shape": (64, 3)})
    compiled(version, paths, script, BuilderOptions(profiles=((X,), (wide,))))
    assert (script.inspected_shapes, paths.inspector.read_text()) == ({"x": (8, 3)}, LAYERS)
    script = Script()
    compiled(version, paths, script)
    assert script.inspected_shapes is None


@pytest.mark.parametrize("refusal", [{"gives_context": False}, {"takes_shapes": False}], ids=str)
def test_without_shapes_the_engine_is_inspected_all_the_same(
    refusal: dict[str, bool], paths: BuildPaths
) -> None:
    script = Script(**refusal)
    compiled(TENSORRT[0], paths, script, BuilderOptions(profiles=((X,),)))
    assert (script.inspected_shapes, paths.inspector.read_text()) == (None, LAYERS)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_compiler_calls_back_has_the_names_that_it_calls(version: str, paths: BuildPaths) -> None:
    trt = load_scripted(version, Script()).module
    logger = child.open_logger(trt, paths.log)
    monitor = child.open_progress_monitor(trt, logger)
    severities = {"Severity", *trt.ILogger.Severity.__members__}
    assert _public(type(monitor)) == _public(trt.IProgressMonitor)
    assert _public(type(logger)) == _public(open_log(trt).__class__) - {"words"}
    assert _public(type(logger)) == _public(trt.ILogger) - severities


def _public(kind: type) -> set[str]:
    """Names that a class itself has."""
    return {name for name in vars(kind) if not name.startswith("_")}


def _without(class_name: str, member: str) -> Callable[[dict[str, Any]], None]:
    """The same API with one name gone, from an enum or from the members of a class."""

    def change(description: dict[str, Any]) -> None:
        entry = description["classes"][class_name]
        if "enum" in entry:
            del entry["enum"][member]
        else:
            entry["members"].remove(member)

    return change


# Every name that a build of TensorRT with every option takes from the API.
_USED = [
    ("BuilderFlag", "TF32"),
    ("BuilderFlag", "SPARSE_WEIGHTS"),
    ("BuilderFlag", "EDITABLE_TIMING_CACHE"),
    ("BuilderFlag", "VERSION_COMPATIBLE"),
    ("ProfilingVerbosity", "DETAILED"),
    ("MemoryPoolType", "WORKSPACE"),
    ("TilingOptimizationLevel", "FULL"),
    ("LayerInformationFormat", "JSON"),
    ("Builder", "create_network"),
    ("Builder", "create_builder_config"),
    ("Builder", "create_optimization_profile"),
    ("Builder", "build_serialized_network"),
    ("OnnxParser", "parse_from_file"),
    ("IBuilderConfig", "set_flag"),
    ("IBuilderConfig", "clear_flag"),
    ("IBuilderConfig", "profiling_verbosity"),
    ("IBuilderConfig", "progress_monitor"),
    ("IBuilderConfig", "builder_optimization_level"),
    ("IBuilderConfig", "max_aux_streams"),
    ("IBuilderConfig", "tiling_optimization_level"),
    ("IBuilderConfig", "hardware_compatibility_level"),
    ("IBuilderConfig", "set_memory_pool_limit"),
    ("IBuilderConfig", "add_optimization_profile"),
    ("IBuilderConfig", "create_timing_cache"),
    ("IBuilderConfig", "set_timing_cache"),
    ("IBuilderConfig", "get_timing_cache"),
    ("ITimingCache", "combine"),
    ("ITimingCache", "serialize"),
    ("IOptimizationProfile", "set_shape"),
    ("Runtime", "engine_host_code_allowed"),
    ("Runtime", "deserialize_cuda_engine"),
    ("ICudaEngine", "create_engine_inspector"),
    ("ICudaEngine", "create_execution_context"),
    ("ExecutionContextAllocationStrategy", "USER_MANAGED"),
    ("IExecutionContext", "set_input_shape"),
    ("EngineInspector", "execution_context"),
    ("EngineInspector", "get_engine_information"),
]


@pytest.mark.parametrize("version", [TENSORRT[0], TENSORRT[-1]])
@pytest.mark.parametrize(("class_name", "member"), _USED)
def test_a_name_that_goes_from_the_api_fails_the_build(
    class_name: str, member: str, version: str, paths: BuildPaths
) -> None:
    paths.timing_cache.write_bytes(b"old ")
    with pytest.raises((AttributeError, KeyError), match=member):
        compiled(
            version, paths, Script(), everything(version), change=_without(class_name, member), sparsity=True
        )


def test_a_changed_signature_or_flag_shows(paths: BuildPaths) -> None:
    def renamed(description: dict[str, Any]) -> None:
        signatures = description["classes"]["IBuilderConfig"]["signatures"]
        signatures["set_timing_cache"] = [
            "set_timing_cache(self: IBuilderConfig, cache: ITimingCache) -> bool"
        ]

    with pytest.raises(TypeError, match="incompatible"):
        compiled(TENSORRT[0], paths, Script(), everything(TENSORRT[0]), change=renamed)
    with pytest.raises(KeyError, match="STRONGLY_TYPED"):
        compiled(
            TENSORRT[0], paths, Script(), change=_without("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
        )


@pytest.mark.parametrize(
    ("backend", "version", "options", "words"),
    [
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(timing_cache="shared"),
            "--timing-cache shared: TensorRT-RTX",
        ),
        ("tensorrt_rtx", "1.7.1", BuilderOptions(timing_cache="off"), "TensorRT-RTX times no tactics"),
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(tactic_table=True),
            "--tactic-table: TensorRT-RTX times no tactics",
        ),
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(hardware_compatibility="ampere_plus"),
            "--hardware-compatibility ampere_plus: TensorRT-RTX ignores it",
        ),
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(version_compatible=True),
            "--version-compatible: TensorRT-RTX",
        ),
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(optimization_level=3),
            "--optimization-level 3: TensorRT-RTX makes the same engine at every level",
        ),
        (
            "tensorrt_rtx",
            "1.7.1",
            BuilderOptions(tiling="none"),
            "--tiling none: TensorRT-RTX makes the same engine at every level",
        ),
        (
            "tensorrt",
            "10.14.1",
            BuilderOptions(tactic_table=True, timing_cache="off"),
            "--tactic-table needs the timing cache: remove --timing-cache off",
        ),
        (
            "trtexec",
            "10.14.1",
            BuilderOptions(tactic_table=True),
            "trtexec has no flag for --tactic-table: use --backend",
        ),
        (
            "tensorrt",
            "11.0.0",
            BuilderOptions(profiles=((X.model_copy(update={"max_shape": (64, 2)}),),)),
            "--profile x=1x3:8x3:64x2: no dimension of x may fall from MIN to OPT, or from OPT to MAX",
        ),
        (
            "tensorrt",
            "11.0.0",
            BuilderOptions(profiles=((X.model_copy(update={"max_shape": (64,)}),),)),
            "--profile x=1x3:8x3:64: MIN, OPT and MAX of x have 2, 2 and 1 dimensions",
        ),
    ],
)
def test_what_a_compiler_would_ignore_is_refused(
    backend: str, version: str, options: BuilderOptions, words: str, paths: BuildPaths
) -> None:
    spec = spec_of(f"{backend}-", options)
    with pytest.raises(SpecError, match=words):
        check_options(spec, None)
    with pytest.raises(SpecError, match=words):
        build_job(spec, version, paths)


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("10.7.0", "TensorRT 10.7.0 is too old: 10.8 is the first for Blackwell"),
        ("banana", "version 'banana' of TensorRT cannot be read"),
    ],
)
def test_a_version_that_cannot_build_is_refused(version: str, words: str, paths: BuildPaths) -> None:
    check_options(spec_of("tensorrt-"), None)
    with pytest.raises(SpecError, match=words):
        check_options(spec_of("tensorrt-"), version)
    with pytest.raises(SpecError, match=words):
        build_job(spec_of("tensorrt-"), version, paths)


@pytest.mark.parametrize("backend", ["tensorrt", "trtexec"])
def test_what_came_with_a_later_version_is_refused_in_one_line(backend: str) -> None:
    spec = spec_of(f"{backend}-", BuilderOptions(hardware_compatibility="same_compute_capability"))
    check_options(spec, None)
    check_options(spec, "10.9.0.34")
    with pytest.raises(SpecError) as refused:
        check_options(spec, "10.8.0.43")
    assert str(refused.value) == (
        "--hardware-compatibility same_compute_capability: TensorRT 10.8.0.43 has ampere_plus only: "
        "same_compute_capability came with 10.9"
    )


def test_tensorrt_builds_for_the_local_gpu_only() -> None:
    h200 = Gpu(name="NVIDIA H200", compute_capability="9.0", memory_bytes=None, driver_version="580.1")
    check_target(("sm90",), h200)
    for targets in (("sm120",), ("sm90", "sm120")):
        with pytest.raises(
            SpecError, match=r"sm120: TensorRT builds for the local GPU, NVIDIA H200 \(sm90\): "
        ):
            check_target(targets, h200)


def test_versions_are_read_with_what_packages_add() -> None:
    assert version_numbers("10.14.1.48.post1") == (10, 14, 1, 48)
    assert version_numbers("11.4.0.106") == (11, 4, 0, 106)


def test_without_tensorrt_the_error_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(RuntimeUnavailable, match=r"TensorRT cannot be used here .* nvcr.io/nvidia/tensorrt"):
        import_compiler("tensorrt")


STAND_IN = """
import os
import sys
sys.path.insert(0, os.environ["TRTBENCH_FOLDER"])
from support.scripted_builder import Script, load_scripted
script = Script(builds=os.environ["TRTBENCH_BUILDS"] == "1")
sys.modules[__name__].__dict__.update(vars(load_scripted(os.environ["TRTBENCH_VERSION"], script).module))
"""


@pytest.mark.parametrize("version", TENSORRT)
@pytest.mark.parametrize("builds", [True, False])
def test_the_child_runs_by_its_path_alone(
    version: str, builds: bool, paths: BuildPaths, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "tensorrt.py").write_text(STAND_IN)
    job = build_job(spec_of(version), version.partition("-")[2], paths)
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "TRTBENCH_FOLDER": str(Path(__file__).parent.parent),
        "TRTBENCH_VERSION": version,
        "TRTBENCH_BUILDS": str(int(builds)),
    }
    run = subprocess.run(
        [sys.executable, child.__file__, json.dumps(asdict(job))],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (run.returncode, paths.engine.exists()) == ((0, True) if builds else (1, False)), run.stderr


def test_a_broken_job_leaves_its_reason_in_the_log(paths: BuildPaths, tmp_path: Path) -> None:
    script = Script()
    api = load_scripted(TENSORRT[-1], script)
    job = replace(build_job(spec_of(TENSORRT[-1]), "11.4.0", paths), flags=("FP16",))
    with pytest.raises(KeyError, match="FP16"):
        child.compile_engine(api.module, job, child.open_logger(api.module, paths.log))
