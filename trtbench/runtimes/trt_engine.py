"""An engine of TensorRT or of TensorRT-RTX on our stream; the module is an argument, its API is the same.

TensorRT creates the auxiliary streams of an engine itself and orders them with ours by events, so a capture
of our stream captures them too.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trtbench.errors import MeasureError
from trtbench.results import TensorRecord
from trtbench.runtimes import Tensor
from trtbench.specs import ArmSpec
from trtbench.store.arm_file import check_batch, read_artifact
from trtbench.units import one_line

Shape = tuple[int, ...]

# Members of trt.DataType whose elements are whole bytes, and numpy's words for them.
_NUMPY_NAMES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
    "FP8": "float8_e4m3fn",
}
_SHOWN_WARNINGS = 3


@dataclass(frozen=True)
class LoadedEngine:
    """An engine with all that must outlive it; ``product`` is TensorRT's name and version."""

    trt: Any
    product: str
    path: Path
    log: Any
    runtime: Any
    engine: Any

    def failure(self, what: str) -> MeasureError:
        """Make the error that says ``what``, and why in TensorRT's own words."""
        return MeasureError(f"{self.path.name}: {self.product} {what}: {self.log.words()}")


def load_engine(trt: Any, name: str, arm: ArmSpec, plugins: bool = False) -> LoadedEngine:
    """Deserialise the arm's artifact, once its sha256 is seen to be the arm's.

    Args:
        trt: the module.
        name: what people call it.
        arm: names the artifact.
        plugins: register TensorRT's standard plugins first, as the build did: an engine may have some in it.

    Raises:
        MeasureError: it cannot be read or loaded; the text has TensorRT's own words.
    """
    path, plan = read_artifact(arm)
    log = open_log(trt)
    if plugins:
        trt.init_libnvinfer_plugins(log, "")
    runtime = engine = None
    try:
        runtime = trt.Runtime(log)
        if arm.options.version_compatible:
            # Such a plan has a lean runtime in it, code that runs on the host when it is loaded. Before there
            # was an arm, the engine's seal was checked, or --trust given; the sha256 is that engine's.
            runtime.engine_host_code_allowed = True
        engine = runtime.deserialize_cuda_engine(plan)
    except (RuntimeError, TypeError) as error:  # what pybind11 makes of an exception, and of no object
        log.errors.append(one_line(error))
    loaded = LoadedEngine(trt, f"{name} {trt.__version__}", path, log, runtime, engine)
    if engine is None:
        raise loaded.failure("cannot load this engine here")
    return loaded


def open_log(trt: Any) -> Any:
    """Make an ``ILogger`` that keeps errors and warnings."""
    error_severities = (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in error_severities:
                self.errors.append(one_line(msg))
            elif severity == trt.ILogger.WARNING:
                self.warnings.append(one_line(msg))

        def words(self) -> str:
            # Without a driver, an error is followed by this one, which says nothing about it.
            causes = [message for message in self.errors if "catchCudaError" not in message]
            return (causes or self.errors or ["no reason given"])[-1]

    return Log()


def create_context(loaded: LoadedEngine, runtime_config: Any = None) -> Any:
    """Create an execution context, by an ``IRuntimeConfig`` if there is one.

    Raises:
        MeasureError: TensorRT cannot, mostly for lack of memory.
    """
    arguments = {} if runtime_config is None else {"runtime_config": runtime_config}
    context = None
    try:
        context = loaded.engine.create_execution_context(**arguments)
    except RuntimeError as error:
        loaded.log.errors.append(one_line(error))
    if context is None:
        raise loaded.failure("cannot create an execution context")
    return context


class EngineRuntime:
    """A deserialised engine with one execution context.

    Args:
        loaded: the engine.
        context: of this engine.
        arm: gives the batch.
        stream: that queries will be enqueued on.
        is_capturable: whether a capture of the stream works, asked once shapes are known.
        notes: what else affects the times.
        on_exit: called when the runtime is left without an error.

    Raises:
        MeasureError: the engine does not take the arm's batch, or an input or output is of a kind that we
            cannot supply: on the host, of less than a byte an element, or of a shape that depends on data.
    """

    device: Literal["cuda", "cpu"] = "cuda"

    def __init__(
        self,
        loaded: LoadedEngine,
        context: Any,
        arm: ArmSpec,
        stream: int,
        is_capturable: Callable[[], bool] = lambda: True,
        notes: tuple[str, ...] = (),
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        self._loaded, self._context, self._on_exit = loaded, context, on_exit
        mode = loaded.trt.TensorIOMode
        inputs, outputs = _names(loaded, mode.INPUT), _names(loaded, mode.OUTPUT)
        _set_input_shapes(loaded, context, inputs, arm, stream)
        self.version = loaded.product
        self.inputs = tuple(_record(loaded, context, name) for name in inputs)
        self.outputs = tuple(_record(loaded, context, name) for name in outputs)
        check_batch(arm, loaded.path, self.inputs)
        self.graph: Literal["capture", "own", "none"] = "capture" if is_capturable() else "none"
        self.notes = (*notes, *_notes(loaded, self.graph))

    def __enter__(self) -> "EngineRuntime":
        return self

    def __exit__(self, *exception: object) -> None:
        if not any(exception):
            self._on_exit()
        self._context = None

    def bind(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the address of every input and output.

        Raises:
            MeasureError: TensorRT refuses one, for its alignment, say.
        """
        for record in (*self.inputs, *self.outputs):
            if not self._context.set_tensor_address(record.name, tensors[record.name].pointer):
                raise self._loaded.failure(f"refuses the memory for {record.name}")

    def enqueue(self, stream: int) -> None:
        """Enqueue one inference on the CUDA stream.

        Raises:
            MeasureError: TensorRT could not.
        """
        if not self._context.execute_async_v3(stream):
            raise self._loaded.failure("cannot enqueue a query")

    def empty(self) -> None:
        """Return None: an engine that computes nothing would have to be built for this GPU."""

    def capturing(self) -> AbstractContextManager[None]:
        """Nothing to do: the memory that a query uses is the context's, as long as it lives."""
        return nullcontext()


def _names(loaded: LoadedEngine, mode: Any) -> tuple[str, ...]:
    engine = loaded.engine
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return tuple(name for name in names if engine.get_tensor_mode(name) == mode)


def _set_input_shapes(
    loaded: LoadedEngine, context: Any, inputs: tuple[str, ...], arm: ArmSpec, stream: int
) -> None:
    """Where inputs are dynamic, choose the first optimization profile that takes the arm's batch."""
    dynamic = [name for name in inputs if -1 in tuple(loaded.engine.get_tensor_shape(name))]
    if not dynamic:
        return
    index, shapes = _fitting_profile(loaded, dynamic, None if arm.export is None else arm.export.batch)
    if not context.set_optimization_profile_async(index, stream):
        raise loaded.failure(f"cannot switch to optimization profile {index}")
    for name, shape in shapes.items():
        if not context.set_input_shape(name, shape):
            raise loaded.failure(f"refuses the shape {shape} for {name}")
    missing = context.infer_shapes()
    if missing:
        raise loaded.failure(f"lacks the shape or the value of {', '.join(missing)}")


def _fitting_profile(
    loaded: LoadedEngine, dynamic: list[str], batch: int | None
) -> tuple[int, dict[str, Shape]]:
    """Index of the profile, and shapes: the batch in front, else what the profile is optimised for."""
    seen = []
    for index in range(loaded.engine.num_optimization_profiles):
        ranges = {name: _profile_range(loaded, name, index) for name in dynamic}
        shapes = {
            name: best if batch is None else (batch, *best[1:]) for name, (_, best, _) in ranges.items()
        }
        if all(_lies_in(shapes[name], least, most) for name, (least, _, most) in ranges.items()):
            return index, shapes
        seen += [f"{name} from {least} to {most}" for name, (least, _, most) in ranges.items()]
    raise MeasureError(
        f"{loaded.path.name}: none of its optimization profiles takes batch {batch} ({'; '.join(seen)}): "
        "build an engine for that batch"
    )


def _profile_range(loaded: LoadedEngine, name: str, index: int) -> tuple[Shape, Shape, Shape]:
    least, best, most = loaded.engine.get_tensor_profile_shape(name, index)
    return tuple(least), tuple(best), tuple(most)


def _lies_in(shape: Shape, least: Shape, most: Shape) -> bool:
    return all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))


def _record(loaded: LoadedEngine, context: Any, name: str) -> TensorRecord:
    engine, trt = loaded.engine, loaded.trt
    types = {getattr(trt.DataType, word): numpy_name for word, numpy_name in _NUMPY_NAMES.items()}
    dtype = engine.get_tensor_dtype(name)
    shape = tuple(int(side) for side in context.get_tensor_shape(name))
    problem = None
    if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
        problem = "lies on the host"
    elif dtype not in types:
        problem = f"is of the type {dtype}"
    elif any(side < 0 for side in shape):
        problem = f"has the shape {shape}, which depends on data"
    elif engine.get_tensor_format(name) != trt.TensorFormat.LINEAR:
        problem = f"is laid out as {engine.get_tensor_format(name)}, with channels padded"
    if problem is not None:
        raise MeasureError(f"{loaded.path.name}: {name} {problem}: such engines are not timed")
    return TensorRecord(name=name, dtype=types[dtype], shape=shape)


def _notes(loaded: LoadedEngine, graph: str) -> Iterator[str]:
    if loaded.engine.num_aux_streams:
        yield f"auxiliary streams of TensorRT's own: {loaded.engine.num_aux_streams}"
    if graph == "none":
        yield "no CUDA graph: TensorRT says that this engine's context cannot be captured"
    for warning in tuple(dict.fromkeys(loaded.log.warnings))[:_SHOWN_WARNINGS]:
        yield f"{loaded.product} warns: {warning}"
