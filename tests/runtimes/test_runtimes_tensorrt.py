"""The runtimes of TensorRT and TensorRT-RTX against the API of every supported version."""

import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.host_code import HOST_CODE, HostCodeGate
from support.scripted import BENCH, FACTS, blocks
from support.trt_api import VERSIONS, Api, load_api, script_of

from trtbench.errors import MeasureError, RuntimeUnavailable
from trtbench.host.installation import tensorrt_remedy
from trtbench.measure.summarise import measurement_of
from trtbench.results import TensorRecord
from trtbench.runtimes import Runtime, Tensor, open_runtime
from trtbench.specs import ArmSpec, BuilderOptions, ExportSpec
from trtbench.store.key import read_or_make_key

STREAM = 4242
PLAN = b"an engine"
NO_DRIVER = "cudaError 35: CUDA driver version is insufficient for CUDA runtime version"


class ScriptedEngine:
    """One input and one output; as many profiles as ``profiles`` has ranges of the batch."""

    api_class = "ICudaEngine"

    def __init__(self, trt: Any, **changes: Any) -> None:
        self.trt = trt
        self.batch, self.profiles = 4, ()
        self.dtype, self.location, self.format = "HALF", "DEVICE", "LINEAR"
        self.num_io_tensors, self.num_aux_streams = 2, 0
        self.context: Any = ScriptedContext(self)
        self.__dict__.update(changes)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self.profiles))

    def get_tensor_name(self, index: int) -> str:
        return ("images", "logits")[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self.trt.TensorIOMode.INPUT if name == "images" else self.trt.TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shape(name, -1 if self.profiles else self.batch)

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(self.trt.DataType, self.dtype)

    def get_tensor_location(self, name: str) -> Any:
        return getattr(self.trt.TensorLocation, self.location)

    def get_tensor_format(self, name: str) -> Any:
        return getattr(self.trt.TensorFormat, self.format)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [self.shape(name, batch) for batch in self.profiles[profile_index]]

    def shape(self, name: str, batch: int) -> tuple[int, ...]:
        return (batch, 3, 8, 8) if name == "images" else (batch, 10)

    def create_execution_context(self, runtime_config: Any = None) -> Any:
        if self.context is not None:
            self.context.config = runtime_config
        return self.context

    def create_runtime_config(self) -> Any:
        return ScriptedConfig()


class ScriptedContext:
    api_class = "IExecutionContext"

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.batch = -1 if engine.profiles else engine.batch
        self.enqueues, self.capturable = True, True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        return memory % 16 == 0

    def execute_async_v3(self, stream_handle: int) -> bool:
        return self.enqueues

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.batch = shape[0]
        return True

    def infer_shapes(self) -> list[str]:
        return []

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.engine.shape(name, self.batch if self.engine.profiles else self.engine.batch)

    def is_stream_capturable(self, stream: int) -> bool:
        return self.capturable


class ScriptedConfig:
    api_class = "IRuntimeConfig"
    cuda_graph_strategy: Any = None
    dynamic_shapes_kernel_specialization_strategy: Any = None

    def __init__(self) -> None:
        self.cache = ScriptedCache()

    def create_runtime_cache(self) -> Any:
        return self.cache

    def set_runtime_cache(self, cache: Any) -> bool:
        return script_of(cache) is self.cache


class ScriptedCache:
    """Takes what it gave; its methods have no signatures in the bindings' descriptions."""

    api_class = "IRuntimeCache"

    def deserialize(self, blob: bytes) -> bool:
        return blob == b"kernels"

    def serialize(self) -> bytes:
        return b"kernels"


@pytest.fixture
def arm(tmp_path: Path) -> ArmSpec:
    path = tmp_path / "model.engine"
    path.write_bytes(PLAN)
    return ArmSpec(
        label="fp16",
        runtime="tensorrt",
        recipe="fp16",
        export=ExportSpec(recipe="fp16", batch=4),
        artifact=str(path),
        artifact_sha256=sha256(PLAN).hexdigest(),
    )


def opened(
    monkeypatch: pytest.MonkeyPatch, arm: ArmSpec, version: str = VERSIONS[0], **engine: Any
) -> tuple[Runtime, Api, Any]:
    """Open the arm in a version of TensorRT; ``engine`` changes the scripted engine."""
    api, script = installed(monkeypatch, version, **engine)
    return open_runtime(arm.model_copy(update={"runtime": api.module.__name__}), STREAM, True), api, script


def installed(monkeypatch: pytest.MonkeyPatch, version: str, **engine: Any) -> tuple[Api, Any]:
    class ScriptedRuntime(HostCodeGate):
        def __init__(self, logger: Any) -> None:
            super().__init__(api.module, logger)
            runtimes.append(self)

        def deserialize_cuda_engine(self, plan: bytes) -> Any:
            if self.refuses(plan):
                return None
            assert plan.startswith(PLAN)
            for severity, message in script.__dict__.get("messages", ()):
                self.logger.log(getattr(api.module.ILogger, severity), message)
            return script if script.__dict__.get("loads", True) else None

    runtimes: list[ScriptedRuntime] = []
    api = load_api(version, {"Runtime": ScriptedRuntime})
    script = ScriptedEngine(api.module, runtimes=runtimes, **engine)
    monkeypatch.setitem(sys.modules, api.module.__name__, api.module)
    return api, script


def tensors(*pointers: int) -> dict[str, Tensor]:
    records = [
        TensorRecord(name="images", dtype="float16", shape=(4, 3, 8, 8)),
        TensorRecord(name="logits", dtype="float16", shape=(4, 10)),
    ]
    return {
        record.name: Tensor(record, pointer, 0) for record, pointer in zip(records, pointers, strict=True)
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profiles", [(), ((1, 2, 2), (1, 4, 8))], ids=["static", "dynamic"])
def test_every_call_is_one_that_the_version_has(
    version: str, profiles: tuple[Any, ...], arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, api, _ = opened(monkeypatch, arm, version, profiles=profiles, num_aux_streams=2)
    with runtime:
        assert [(r.name, r.dtype, r.shape) for r in runtime.inputs] == [("images", "float16", (4, 3, 8, 8))]
        assert [(r.name, r.dtype, r.shape) for r in runtime.outputs] == [("logits", "float16", (4, 10))]
        assert runtime.version.split(" ")[1] == api.module.__version__
        assert (runtime.device, runtime.graph) == ("cuda", "capture")
        runtime.bind(tensors(0x1000, 0x2000))
        runtime.enqueue(STREAM)
        runtime.bind(tensors(0x3000, 0x4000))
        with runtime.capturing():
            runtime.enqueue(STREAM)
    addresses = [("images", 0x1000), ("logits", 0x2000), ("images", 0x3000), ("logits", 0x4000)]
    assert api.called("set_tensor_address") == addresses
    assert api.called("execute_async_v3") == [(STREAM,), (STREAM,)]
    assert api.called("set_optimization_profile_async") == ([(1, STREAM)] if profiles else [])
    assert api.called("set_input_shape") == ([("images", (4, 3, 8, 8))] if profiles else [])
    assert "auxiliary streams of TensorRT's own: 2" in runtime.notes


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_batch_that_is_asked_for_the_best_shape_of_the_first_profile_is_timed(
    version: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = arm.model_copy(update={"export": None, "recipe": None})
    runtime, api, _ = opened(monkeypatch, bare, version, profiles=((1, 4, 8), (1, 8, 64)))
    assert api.called("set_optimization_profile_async") == [(0, STREAM)]
    assert [r.shape for r in runtime.inputs] == [(4, 3, 8, 8)]
    assert [r.shape for r in runtime.outputs] == [(4, 10)]
    facts = FACTS.model_copy(update={"inputs": runtime.inputs, "outputs": runtime.outputs})
    measurement = measurement_of(bare, BENCH, blocks(2.0), facts, None, None, "")
    assert (measurement.batch, measurement.images_per_s) == (4, 4 * 1000 / 2.0)


def test_the_versions_of_both_products_are_tried() -> None:
    names = [version.rpartition("-")[0] for version in VERSIONS]
    assert (names.count("tensorrt"), names.count("tensorrt_rtx")) == (10, 3)


def test_a_changed_engine_never_reaches_tensorrt(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(str(arm.artifact)).write_bytes(b"another engine")
    with pytest.raises(MeasureError, match=r"model\.engine: its sha256 is [0-9a-f]{12}\.\.\., the arm says"):
        opened(monkeypatch, arm)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artifact": None}, "fp16: tensorrt loads a file, and the arm names none with its sha256"),
        ({"artifact_sha256": None}, "fp16: tensorrt loads a file, and the arm names none with its sha256"),
        ({"artifact": "/nowhere/x.engine"}, "/nowhere/x.engine: cannot be read: No such file or directory"),
    ],
)
def test_an_arm_without_an_engine(
    changes: dict[str, Any], message: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MeasureError) as failure:
        opened(monkeypatch, arm.model_copy(update=changes))
    assert str(failure.value) == message


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_that_does_not_load_is_an_error_in_tensorrts_words(
    version: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [
        ("INFO", "Loaded engine size: 0 MiB"),
        ("ERROR", f"IRuntime::deserializeCudaEngine: Error Code 1:\nCuda Runtime ({NO_DRIVER})"),
        ("ERROR", f"[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime ({NO_DRIVER})"),
    ]
    with pytest.raises(MeasureError) as failure:
        opened(monkeypatch, arm, version, loads=False, messages=messages)
    product, number = ("TensorRT-RTX" if "rtx" in version else "TensorRT"), version.rpartition("-")[2]
    assert str(failure.value) == (
        f"model.engine: {product} {number} cannot load this engine here: IRuntime::deserializeCudaEngine: "
        f"Error Code 1: Cuda Runtime ({NO_DRIVER})"
    )


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"context": None}, "cannot create an execution context: no reason given"),
        ({"batch": 8}, r"images has the shape \(8, 3, 8, 8\), the arm says batch 4: make it for that batch"),
        (
            {"profiles": ((1, 1, 2), (8, 8, 16))},
            r"none of its optimization profiles takes batch 4 "
            r"\(images from \(1, 3, 8, 8\) to \(2, 3, 8, 8\); "
            r"images from \(8, 3, 8, 8\) to \(16, 3, 8, 8\)\): build an engine for that batch",
        ),
        ({"location": "HOST"}, "images lies on the host: such engines are not timed"),
        ({"format": "CHW32"}, "images is laid out as .*CHW32.*: such engines are not timed"),
        ({"dtype": "INT4"}, r"images is of the type DataType\.INT4: such engines are not timed"),
    ],
)
def test_what_cannot_be_timed_is_one_clear_line(
    engine: dict[str, Any], message: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MeasureError, match=rf"^model\.engine: [^\n]*{message}$"):
        opened(monkeypatch, arm, **engine)


def test_refusals_while_running_have_tensorrts_words(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, _, script = opened(monkeypatch, arm)
    script.context.enqueues = False
    with pytest.raises(MeasureError, match=r"refuses the memory for images: no reason given"):
        runtime.bind(tensors(0x1001, 0x2000))
    runtime.bind(tensors(0x1000, 0x2000))
    with pytest.raises(MeasureError, match=r"cannot enqueue a query: no reason given"):
        runtime.enqueue(STREAM)


def test_warnings_of_tensorrt_are_notes(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [("WARNING", "Using an engine plan file across different models of devices"), ("INFO", "x")]
    runtime, _, _ = opened(monkeypatch, arm, messages=messages * 2)
    assert runtime.notes == (f"{runtime.version} warns: {messages[0][1]}",)


TENSORRT = [version for version in VERSIONS if version.startswith("tensorrt-")]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_operators_of_standard_plugins_are_there_before_the_engine_is_loaded(
    version: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, api, _ = opened(monkeypatch, arm, version)
    names = [name for _, name, _ in api.calls]
    if version in TENSORRT:
        ((logger, namespace),) = api.called("init_libnvinfer_plugins")
        assert isinstance(logger, api.module.ILogger)
        assert namespace == ""
        assert names.index("init_libnvinfer_plugins") < names.index("deserialize_cuda_engine")
    else:  # as when it is built
        assert "init_libnvinfer_plugins" not in names


def of_plan(arm: ArmSpec, plan: bytes, **options: Any) -> ArmSpec:
    """The same arm with another file, built with ``options``."""
    Path(str(arm.artifact)).write_bytes(plan)
    built = BuilderOptions.model_validate(options)
    return arm.model_copy(update={"artifact_sha256": sha256(plan).hexdigest(), "options": built})


@pytest.mark.parametrize("version", TENSORRT)
def test_host_code_is_allowed_in_an_engine_that_was_built_with_it_alone(
    version: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = PLAN + HOST_CODE
    _, _, script = opened(monkeypatch, of_plan(arm, plan, version_compatible=True), version)
    assert [runtime.engine_host_code_allowed for runtime in script.runtimes] == [True]
    _, _, script = opened(monkeypatch, of_plan(arm, PLAN), version)
    assert [runtime.engine_host_code_allowed for runtime in script.runtimes] == [False]
    with pytest.raises(
        MeasureError, match=r"cannot load this engine here: .*getEngineHostCodeAllowed\(\) is false"
    ):
        opened(monkeypatch, of_plan(arm, plan), version)


RTX_VERSIONS = [version for version in VERSIONS if "rtx" in version]


@pytest.mark.parametrize("version", RTX_VERSIONS)
def test_rtx_keeps_its_kernels_for_the_next_process(
    version: str, arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, _, script = opened(monkeypatch, arm, version)
    config = script_of(script.context.config)
    trt = script.trt
    assert config.cuda_graph_strategy == trt.CudaGraphStrategy.DISABLED
    eager = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    assert config.dynamic_shapes_kernel_specialization_strategy == eager
    with runtime:
        assert runtime.notes == ("runtime cache: cold, the kernels are compiled as the engine is loaded",)
    kept = list(Path(str(arm.artifact)).parent.glob("*.cache"))
    assert [path.name for path in kept] == [f"{arm.artifact_sha256[:16]}-{trt.__version__}.cache"]
    runtime, _, _ = opened(monkeypatch, arm, version)
    assert runtime.notes == ("runtime cache: warm, 7 B of kernels from an earlier run",)
    kept[0].write_bytes(b"of another GPU")
    runtime, _, _ = opened(monkeypatch, arm, version)
    assert "cold, since that of an earlier run is of another GPU" in runtime.notes[0]


def in_store(arm: ArmSpec, root: Path) -> ArmSpec:
    """The same arm, its engine moved to a store in ``root``, by a user who has a key."""
    read_or_make_key()
    directory = root / "engines" / "x"
    directory.mkdir(parents=True)
    (directory / "manifest.json").touch()
    path = Path(str(arm.artifact)).rename(directory / "model.engine")
    return arm.model_copy(update={"artifact": str(path)})


def note_of_cache(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> str:
    """Load the engine and leave it, which keeps the kernels."""
    with opened(monkeypatch, arm, RTX_VERSIONS[0])[0] as runtime:
        return runtime.notes[0].removeprefix("runtime cache: ")


def test_the_cache_of_an_engine_in_the_store_lies_in_its_results(
    arm: ArmSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = in_store(arm, tmp_path)
    assert note_of_cache(arm, monkeypatch).startswith("cold, the kernels are compiled")
    assert note_of_cache(arm, monkeypatch) == "warm, 7 B of kernels from an earlier run"
    assert [p.suffix for p in (tmp_path / "results" / "runtime-caches").iterdir()] == [".cache"]
    directory = Path(str(arm.artifact)).parent
    assert sorted(p.name for p in directory.iterdir()) == ["manifest.json", "model.engine"]


@pytest.mark.parametrize("data", [b"", b"kernels", 32 * b"0" + b"kernels"])
def test_kernels_without_the_users_seal_are_not_loaded(
    data: bytes, arm: ArmSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = in_store(arm, tmp_path)
    note_of_cache(arm, monkeypatch)
    (kept,) = (tmp_path / "results" / "runtime-caches").iterdir()
    kept.write_bytes(data)
    assert note_of_cache(arm, monkeypatch) == "cold, since the one that is there has no seal of yours"
    assert note_of_cache(arm, monkeypatch).startswith("warm")


def test_without_the_key_no_kernels_are_loaded_or_kept(
    arm: ArmSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = in_store(arm, tmp_path)
    note_of_cache(arm, monkeypatch)
    (kept,) = (tmp_path / "results" / "runtime-caches").iterdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other home"))
    assert note_of_cache(arm, monkeypatch).startswith("cold")
    kept.unlink()
    assert note_of_cache(arm, monkeypatch).startswith("cold")
    assert not list(kept.parent.iterdir())


def test_after_an_error_and_in_a_read_only_store_no_cache_is_kept(
    arm: ArmSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(str(arm.artifact)).parent
    runtime, _, _ = opened(monkeypatch, arm, RTX_VERSIONS[0])
    with pytest.raises(MeasureError, match="lost"), runtime:
        raise MeasureError("lost")
    monkeypatch.setattr(Path, "write_bytes", _refuse)
    with opened(monkeypatch, arm, RTX_VERSIONS[0])[0]:
        pass
    assert [path.name for path in folder.iterdir()] == ["model.engine"]


def _refuse(*_: Any) -> int:
    raise OSError(30, "Read-only file system")


def test_rtx_says_when_its_context_cannot_be_captured(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    api, script = installed(monkeypatch, RTX_VERSIONS[0])
    script.context.capturable = False
    runtime = open_runtime(arm.model_copy(update={"runtime": "tensorrt_rtx"}), STREAM, True)
    assert runtime.graph == "none"
    assert runtime.notes[-1] == "no CUDA graph: TensorRT says that this engine's context cannot be captured"
    assert api.called("is_stream_capturable") == [(STREAM,)]


def test_without_tensorrt_the_error_says_how_to_get_it(arm: ArmSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(
        RuntimeUnavailable, match=f"TensorRT cannot be used here .*{re.escape(tensorrt_remedy())}"
    ):
        open_runtime(arm, STREAM, True)


@pytest.mark.parametrize("plan", [PLAN, PLAN * 1000, b""], ids=["short", "long", "empty"])
def test_the_real_tensorrt_rtx_refuses_what_is_no_engine_in_one_line(plan: bytes, arm: ArmSpec) -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    Path(str(arm.artifact)).write_bytes(plan)
    changes = {"runtime": "tensorrt_rtx", "artifact_sha256": sha256(plan).hexdigest()}
    with pytest.raises(MeasureError) as failure:
        open_runtime(arm.model_copy(update=changes), STREAM, True)
    beginning, _, words = str(failure.value).partition(" cannot load this engine here: ")
    assert beginning == f"model.engine: TensorRT-RTX {trt.__version__}"
    assert "Error Code" in words
    assert "\n" not in words
