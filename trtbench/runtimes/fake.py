"""A runtime that runs nothing: a script gives its times, and how it fails.

``ArmSpec.artifact`` is the path of a script in YAML or JSON, a ``Script``. With it the whole path of a
measurement, and everything that can go wrong in it, is tried on a CPU in milliseconds::

    series:                       # gpu_compute_ms, or else host_wall_ms, is the main one
      gpu_compute_ms: {median_ms: 1.5, noise: 0.01, process_noise: 0.02}
      enqueue_ms: 0.02            # always the same
      host_wall_ms: [1.6, 1.7]    # repeated
    constant_inputs_factor: 0.95  # of all times while inputs are zeros, as under a power cap
    failure: {at: query, query: 900, how: kill}
    telemetry:                    # of the first block, the second, ...; repeated
      - {sm_clock_mhz: [1980], power_w: [300], temperature_c: [50], energy_j: 75, throttle_us: {},
         foreign_pids: [], duration_s: 0.25}

Scripted times do not pass. Outputs are computed: random features of the input, at a cost of microseconds.
So times are from ``SHORTEST_MS``, in which a block has its most queries, to ``LONGEST_MS``.
"""

import ctypes
import math
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from trtbench.errors import Code, MeasureError
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.results import Series, Telemetry, TensorRecord
from trtbench.runtimes import Runtime, Tensor
from trtbench.specs import ArmSpec, Spec, first_problem
from trtbench.specs.yaml_text import load_yaml, yaml_problem

_FEATURES = 64

Values = Literal["computed", "stale", "wrong", "constant", "nan", "unwritten"]
"""What a query writes: ``stale`` is what the first one wrote, ``wrong`` are other features."""


SHORTEST_MS, LONGEST_MS = 1e-3, 1e9
_MOST_VALUES = 2**28
_LAST_SIGNAL = 31
"""What follows are real-time signals, of which most have no name."""


Milliseconds = Annotated[float, Field(ge=SHORTEST_MS, le=LONGEST_MS, allow_inf_nan=False)]
Factor = Annotated[float, Field(ge=1e-3, le=1e3, allow_inf_nan=False)]
Noise = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Repeated = Annotated[tuple[Milliseconds, ...], Field(min_length=1)]


class Distribution(Spec):
    """Log-normal times around ``median_ms``; ``noise`` is relative, as are the others.

    ``process_noise`` sets each process on a level of its own; ``drift_per_s`` is per second of scripted time.
    """

    median_ms: Milliseconds
    noise: Noise = 0.0
    process_noise: Noise = 0.0
    drift_per_s: float = Field(default=0.0, ge=-1e3, le=1e3, allow_inf_nan=False)


def _form(times: object) -> str:
    """Which of three forms times are written in, so that an error is about that one alone."""
    if isinstance(times, dict | Distribution):
        return "mapping"
    return "list" if isinstance(times, list | tuple) else "number"


Times = Annotated[
    Annotated[Milliseconds, Tag("number")]
    | Annotated[Repeated, Tag("list")]
    | Annotated[Distribution, Tag("mapping")],
    Discriminator(_form),
]


class Slowdown(Spec):
    """While the process's scripted time is in this interval, its times are ``factor`` times as long."""

    from_ms: float = Field(ge=0)
    to_ms: float
    factor: Factor


class Failure(Spec):
    """What goes wrong: when the arm is loaded, when a graph is captured, or at a query (0 is the first)."""

    at: Literal["load", "capture", "query"]
    how: Literal["error", "out_of_memory", "hang", "exit", "kill"] = "error"
    query: int = Field(default=0, ge=0, description="warm-up included")
    signal: int = Field(default=signal.SIGKILL, ge=1, le=_LAST_SIGNAL, description="that kills")


def _fits_memory(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(f"{shape} has more than {_MOST_VALUES} values")
    return shape


class ScriptedTensor(TensorRecord):
    """An input or an output: the batch, and then what an image has; of a type that models have."""

    dtype: Literal["float32", "float16", "bfloat16", "float64", "int64", "int32", "int8", "uint8", "bool"]
    shape: Annotated[
        tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1), AfterValidator(_fits_memory)
    ]


Tensors = Annotated[tuple[ScriptedTensor, ...], Field(min_length=1)]


class Script(Spec):
    """What a scripted arm does; ``inputs`` and ``outputs`` are tensors as a manifest has them."""

    series: dict[Series, Times]
    slowdowns: tuple[Slowdown, ...] = ()
    constant_inputs_factor: Factor = Field(default=1.0, description="of times on inputs of zeros")
    failure: Failure | None = None
    output_values: Values = "computed"
    replay_values: Values = Field(default="computed", description="once a graph was captured")
    graph: Literal["capture", "own", "none"] = "capture"
    graph_kernels: int = Field(default=10, ge=0)
    inputs: Tensors = (ScriptedTensor(name="image", dtype="float32", shape=(2, 3, 8, 8)),)
    outputs: Tensors = (ScriptedTensor(name="logits", dtype="float32", shape=(2, 10)),)
    telemetry: tuple[Telemetry, ...] = ()
    version: str = "1"
    notes: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _has_a_main_series(self) -> "Script":
        if not {"gpu_compute_ms", "host_wall_ms"} & self.series.keys():
            raise ValueError("field series: needs gpu_compute_ms or host_wall_ms")
        return self

    @model_validator(mode="after")
    def _has_values_for_every_output(self) -> "Script":
        first = self.inputs[0]
        for output in self.outputs:
            if math.prod(first.shape) % output.shape[0]:
                raise ValueError(
                    f"field outputs: {output.name} has {output.shape[0]} rows, into which the "
                    f"{math.prod(first.shape)} values of {first.name} cannot be split"
                )
        return self

    @property
    def main_series(self) -> Series:
        """The series that a query's duration is in."""
        return "gpu_compute_ms" if "gpu_compute_ms" in self.series else "host_wall_ms"


def read_script(arm: ArmSpec) -> Script:
    """Read the script of a scripted arm.

    Raises:
        MeasureError: the file cannot be read, or is not a script; the text names the field.
    """
    if arm.artifact is None:
        raise MeasureError("a fake arm needs a script: a YAML file as trtbench/runtimes/fake.py describes it")
    try:
        return Script.model_validate(load_yaml(read_untrusted(Path(arm.artifact), TEXT_BYTES).decode()))
    except OSError as error:
        raise MeasureError(f"script {arm.artifact}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MeasureError(f"script {arm.artifact}: {yaml_problem(error)}") from error
    except ValidationError as error:
        raise MeasureError(f"script {arm.artifact}: {first_problem(error)}") from error


def open_runtime(arm: ArmSpec, stream: int, cuda_graph: bool) -> Runtime:
    """Load a script; ``stream`` means nothing to it.

    Raises:
        MeasureError: the file is not a script, or scripts a failure at load.
    """
    script = read_script(arm)
    _fail_if(script.failure, "load")
    return FakeRuntime(script, cuda_graph)


class FakeRuntime:
    """Computes outputs that follow the input, and fails where its script says so."""

    device: Literal["cuda", "cpu"] = "cpu"

    def __init__(self, script: Script, cuda_graph: bool) -> None:
        self.version, self.notes = script.version, script.notes
        self.graph: Literal["capture", "own", "none"] = script.graph
        if script.graph == "own" and not cuda_graph:
            self.graph = "none"
        self.inputs: tuple[TensorRecord, ...] = script.inputs
        self.outputs: tuple[TensorRecord, ...] = script.outputs
        self._script = script
        self._queries = count()
        self._values = script.output_values
        self._first: dict[tuple[int, ...], npt.NDArray[Any]] = {}
        self._inputs: list[npt.NDArray[Any]] = []
        self._outputs: list[npt.NDArray[Any]] = []

    def __enter__(self) -> "FakeRuntime":
        """Nothing to open."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Forget the memory."""
        self._inputs, self._outputs = [], []

    def bind(self, tensors: Mapping[str, Tensor]) -> None:
        """Use this host memory from the next query on."""
        self._inputs = [_view(tensors[record.name]) for record in self.inputs]
        self._outputs = [_view(tensors[record.name]) for record in self.outputs]

    def enqueue(self, stream: int) -> None:
        """Write outputs, or fail."""
        query = next(self._queries)
        if self._script.failure and query >= self._script.failure.query:
            _fail_if(self._script.failure, "query")
        if self._values != "unwritten":
            for output in self._outputs:
                output[...] = self._written(output.shape)

    def empty(self) -> None:
        """Scripted times do not pass: there is nothing to add to them."""

    @contextmanager
    def capturing(self) -> Iterator[None]:
        """Have all queries from now on write what replays write; fails if the script says so."""
        _fail_if(self._script.failure, "capture")
        self._values = self._script.replay_values
        yield

    def _written(self, shape: tuple[int, ...]) -> Any:
        if self._values == "nan":
            return np.nan
        if self._values == "constant":
            return 1.0
        images = self._inputs[0].reshape(shape[0], -1)[:, :_FEATURES].astype(np.float32)
        features = (images @ _weights(images.shape[1], math.prod(shape[1:]))).reshape(shape)
        first = self._first.setdefault(shape, features)
        return {"computed": features, "wrong": -features, "stale": first}[self._values]


@cache
def _weights(features: int, width: int) -> npt.NDArray[np.float32]:
    """Some matrix ``(features, width)``."""
    return np.cos(np.outer(np.arange(1, features + 1), np.arange(1, width + 1))).astype(np.float32)


def _view(tensor: Tensor) -> npt.NDArray[Any]:
    """The memory at the address as an array."""
    import ml_dtypes  # noqa: F401  (numpy then knows bfloat16 by name)

    memory = np.ctypeslib.as_array((ctypes.c_uint8 * tensor.nbytes).from_address(tensor.pointer))
    array: npt.NDArray[Any] = memory.view(np.dtype(tensor.record.dtype)).reshape(tensor.record.shape)
    return array


def _fail_if(failure: Failure | None, at: str) -> None:
    if failure is not None and failure.at == at:
        _fail(failure)


def _fail(failure: Failure) -> NoReturn:
    if failure.how == "out_of_memory":
        raise MeasureError("out of GPU memory (scripted): use a smaller batch", code=Code.GPU_OUT_OF_MEMORY)
    if failure.how == "exit":
        os._exit(3)
    if failure.how == "kill":
        os.kill(os.getpid(), failure.signal)
    if failure.how == "hang":
        while True:
            signal.pause()
    code = Code.GRAPH_CAPTURE_FAILED if failure.at == "capture" else None
    raise MeasureError(f"failed at {failure.at} (scripted)", code=code)
