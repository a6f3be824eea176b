"""Runtimes ``onnxruntime`` (CUDA) and ``onnxruntime-cpu``: an exported ONNX model, bound to given memory.

On CUDA, kernels run on our stream and a run does not wait for them. onnxruntime captures a CUDA graph of its
own for each set of addresses: the run option ``gpu_graph_id`` names the graph, and the addresses of a graph
must not change (https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html). Before 1.28 it
waits for each replay whatever its options say (https://github.com/microsoft/onnxruntime/pull/28686).
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import onnx
from packaging.version import Version

from trtbench.build.dimensions import dimensions_of, is_dynamic, shown
from trtbench.errors import ArtifactError, MeasureError, RuntimeUnavailable
from trtbench.host.installation import needing, swap_command
from trtbench.host.memory import refuse_beyond_memory
from trtbench.onnx_files import infer_shapes, parse_model
from trtbench.onnx_files.external import external_files
from trtbench.results import TensorRecord
from trtbench.runtimes import Tensor
from trtbench.specs import ArmSpec
from trtbench.store.arm_file import check_batch, read_artifact
from trtbench.units import one_line

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_REPLAYS_WITHOUT_WAITING = Version("1.28")
# Folders under "nvidia" in site-packages that hold what libonnxruntime_providers_cuda.so is linked to.
_CUDA_FOLDERS = ("cublas", "cuda_nvrtc", "curand", "cufft", "cuda_runtime", "cudnn")


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> "OnnxRuntime":
    """Create a session whose nodes all run on the device that the runtime's name stands for.

    Raises:
        RuntimeUnavailable: onnxruntime is not installed, or is a build without CUDA.
        MeasureError: it has no kernel for an operator there, or the model is damaged or of another batch.
    """
    is_cpu = arm.runtime == "onnxruntime-cpu"
    ort = _import_onnxruntime(_CPU if is_cpu else _CUDA)
    model = _read_model(arm)
    if is_cpu:
        _refuse_size(model)
    return _opened(ort, model, None if is_cpu else stream, cuda_graph)


def _refuse_size(model: "OnnxModel") -> None:
    """Inputs and outputs alone must fit, or the kernel ends the process while it allocates them."""
    records = (*model.inputs, *model.outputs)
    item_bytes = {
        name: onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
        for name, kind in model.element_types.items()
    }
    size_bytes = sum(math.prod(each.shape) * item_bytes[each.name] for each in records)
    advice = "choose a smaller batch"
    refuse_beyond_memory(size_bytes, f"{model.path}: inputs and outputs", MeasureError, advice)


@dataclass(frozen=True)
class OnnxModel:
    """What the file says; ``element_types`` are ONNX's numbers, by name of the input or output.

    ``content`` stands in for a file that there is not.
    """

    path: Path
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    element_types: dict[str, int]
    content: bytes | None = None


@dataclass(frozen=True)
class Session:
    """A session of onnxruntime, and what was set for it."""

    ort: Any
    session: Any
    device: Literal["cuda", "cpu"]
    notes: tuple[str, ...]


class OnnxRuntime:
    """A session bound to addresses; each set of addresses keeps its binding, and its CUDA graph."""

    def __init__(
        self, session: Session, model: OnnxModel, stream: int, graph: Literal["capture", "own", "none"]
    ) -> None:
        self.version = f"onnxruntime {session.ort.__version__}"
        self.device = session.device
        self.graph = graph
        self.inputs, self.outputs = model.inputs, model.outputs
        self.notes = session.notes
        self._ort, self._session, self._model, self._stream = session.ort, session.session, model, stream
        self._bindings: dict[tuple[int, ...], tuple[Any, ...]] = {}
        self._current: tuple[Any, ...] | None = None

    def __enter__(self) -> "OnnxRuntime":
        return self

    def __exit__(self, *exception: object) -> None:
        self._bindings, self._current, self._session = {}, None, None

    def bind(self, tensors: Mapping[str, Tensor]) -> None:
        """Use these addresses; the first query on new ones captures their graph, if graphs are asked for."""
        key = tuple(tensors[record.name].pointer for record in (*self.inputs, *self.outputs))
        if key not in self._bindings:
            self._bindings[key] = self._io_binding(tensors), *self._run_options(len(self._bindings) + 1)
        self._current = self._bindings[key]

    def enqueue(self, stream: int) -> None:
        """Run once: on CUDA without waiting for it, on a CPU to the end.

        Raises:
            MeasureError: onnxruntime failed, nothing is bound, or the stream is not that of the session.
        """
        if self._current is None or stream != self._stream:
            raise MeasureError(
                f"{self._model.path.name}: {self.version} queries on stream {self._stream}, with memory bound"
            )
        try:
            self._session.run_with_iobinding(*self._current)
        except Exception as error:  # its exceptions share no base class
            raise MeasureError(f"{self._model.path.name}: {self.version}: {one_line(error)}") from error

    def empty(self) -> "OnnxRuntime":
        """Open a session that passes one number through."""
        stream = None if self.device == "cpu" else self._stream
        return _opened(self._ort, _identity(), stream, self.graph == "own")

    def capturing(self) -> AbstractContextManager[None]:
        """Nothing: it captures by itself."""
        return nullcontext()

    def _io_binding(self, tensors: Mapping[str, Tensor]) -> Any:
        binding = self._session.io_binding()
        bound = [(binding.bind_input, record) for record in self.inputs]
        bound += [(binding.bind_output, record) for record in self.outputs]
        for bind, record in bound:
            element_type = self._model.element_types[record.name]
            bind(record.name, self.device, 0, element_type, list(record.shape), tensors[record.name].pointer)
        return binding

    def _run_options(self, graph_id: int) -> tuple[Any, ...]:
        """None on a CPU, where they have no effect, and add 20 to 40 us to a query."""
        if self.device == "cpu":
            return ()
        options = self._ort.RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if self.graph == "own":
            options.add_run_config_entry("gpu_graph_id", str(graph_id))
        return (options,)


def _opened(ort: Any, model: OnnxModel, stream: int | None, cuda_graph: bool) -> OnnxRuntime:
    """Open the model on CUDA, or without a stream on a CPU."""
    if stream is None:
        return OnnxRuntime(_cpu_session(ort, model), model, 0, "none")
    session = _cuda_session(ort, model, stream, cuda_graph)
    return OnnxRuntime(session, model, stream, "own" if cuda_graph else "none")


def _identity() -> OnnxModel:
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (1,)) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "empty", [x], [y])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    records = (TensorRecord(name=name, dtype="float32", shape=(1,)) for name in "xy")
    types = dict.fromkeys("xy", int(onnx.TensorProto.FLOAT))
    return OnnxModel(Path("empty.onnx"), (next(records),), (next(records),), types, model.SerializeToString())


def _import_onnxruntime(provider: str) -> Any:
    with needing("onnxruntime", "ort"):
        import onnxruntime
    if provider not in onnxruntime.get_available_providers():
        raise RuntimeUnavailable(
            f"this onnxruntime {onnxruntime.__version__} is a build without {provider}: "
            f"{swap_command('onnxruntime', 'onnxruntime-gpu')} (they overwrite each other's files)"
        )
    return onnxruntime


def _read_model(arm: ArmSpec) -> OnnxModel:
    path, content = read_artifact(arm)
    try:
        model = parse_model(path, content)
        external_files(path, model)
    except ArtifactError as error:
        raise MeasureError(str(error)) from error
    _check_operators(path, model)
    if not all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        model = infer_shapes(model, path, data_prop=False)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    records = _records(path, inputs), _records(path, model.graph.output)
    check_batch(arm, path, records[0])
    element_types = {value.name: value.type.tensor_type.elem_type for value in (*inputs, *model.graph.output)}
    return OnnxModel(path, *records, element_types)


def _check_operators(path: Path, model: onnx.ModelProto) -> None:
    """Refuse a graph with operators that TensorRT alone has."""
    foreign = Counter(f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain == "trt")
    if foreign:
        counted = ", ".join(f"{operator} ({count} nodes)" for operator, count in sorted(foreign.items()))
        raise MeasureError(
            f"{path}: onnxruntime has no kernel for {counted}: build an engine and time it with tensorrt or "
            "tensorrt_rtx"
        )


def _records(path: Path, values: Iterable[onnx.ValueInfoProto]) -> tuple[TensorRecord, ...]:
    records = []
    for value in values:
        kind = value.type.WhichOneof("value")
        element_type = value.type.tensor_type.elem_type
        if kind != "tensor_type" or element_type == onnx.TensorProto.STRING:
            what = "strings" if kind == "tensor_type" else f"a {str(kind).removesuffix('_type')}"
            raise MeasureError(f"{path}: {value.name} holds {what}: only models of numeric tensors are timed")
        dims = dimensions_of(value)
        if dims is None or is_dynamic(dims):
            raise MeasureError(
                f"{path}: {value.name} has the dynamic shape {shown(dims)}: export it with a static batch"
            )
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(element_type))
        shape = tuple(int(dim) for dim in dims)
        records.append(TensorRecord(name=value.name, dtype=dtype, shape=shape))
    return tuple(records)


def _cpu_session(ort: Any, model: OnnxModel) -> Session:
    threads = len(os.sched_getaffinity(0))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # Otherwise the threads of this arm would spin while another arm has its block, and take its cores.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = _create_session(ort, model, options, [_CPU], "a CPU")
    return Session(ort, session, "cpu", (f"intra-op threads: {threads}, which do not spin between queries",))


def _cuda_session(ort: Any, model: OnnxModel, stream: int, cuda_graph: bool) -> Session:
    _preload_cuda_libraries(ort)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    provider_options = {
        "device_id": "0",
        "user_compute_stream": str(stream),
        "enable_cuda_graph": "1" if cuda_graph else "0",
        "use_tf32": "0",  # FP32 means FP32 in every runtime
    }
    session = _create_session(ort, model, options, [(_CUDA, provider_options)], "CUDA")
    if _CUDA not in session.get_providers():
        raise MeasureError(
            f"{model.path.name}: onnxruntime {ort.__version__} did not load {_CUDA} and took "
            f"{', '.join(session.get_providers())}: its warning in the log names the missing library"
        )
    return Session(ort, session, "cuda", tuple(_cuda_notes(ort, cuda_graph)))


def _cuda_notes(ort: Any, cuda_graph: bool) -> Iterator[str]:
    yield "TF32 off"
    if cuda_graph and Version(ort.__version__) < _REPLAYS_WITHOUT_WAITING:
        yield f"onnxruntime {ort.__version__} waits for each replay of its CUDA graph; 1.28 does not"


def _create_session(ort: Any, model: OnnxModel, options: Any, providers: list[Any], where: str) -> Any:
    try:
        # Without enable_fallback=0 it would print an error and go on, on the CPU.
        source = model.content or str(model.path)
        return ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:  # its exceptions share no base class
        raise MeasureError(
            f"{model.path}: onnxruntime {ort.__version__} cannot run it on {where}: {one_line(error)} (its "
            "warnings are in the log): tensorrt or tensorrt_rtx may, from an engine"
        ) from error


def _preload_cuda_libraries(ort: Any) -> None:
    """Load NVIDIA's wheels from wherever they are installed: preload_dlls alone looks beside onnxruntime."""
    spec = find_spec("nvidia")
    folders = (f"cu{ort.cuda_version.partition('.')[0]}", *_CUDA_FOLDERS)
    for site in () if spec is None else spec.submodule_search_locations or ():
        for folder in folders:
            path = Path(site) / folder / "lib"
            if path.is_dir():
                ort.preload_dlls(directory=str(path))
