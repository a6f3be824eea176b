"""A graph of standard operators with its constants as arrays, and its execution by onnxruntime on the CPU."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from trtbench.errors import ArtifactError
from trtbench.host.hardware import package_versions
from trtbench.host.installation import needing

Array = npt.NDArray[Any]

_INLINE_BYTES = 1024
"""Larger constants stay out of the protobuf message, which may not exceed 2 GiB."""
_ONLY_ERRORS = 3


@dataclass(frozen=True)
class StandardGraph:
    """Nodes in order; ``input_shape`` is that of the only input, float32 images."""

    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Array]
    input_name: str
    input_shape: tuple[int, ...]
    output_names: tuple[str, ...]
    opset: int

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """Model with ``outputs``; the data of large constants is not in it."""
        graph = helper.make_graph(
            self.nodes,
            "verification",
            [helper.make_tensor_value_info(self.input_name, TensorProto.FLOAT, self.input_shape)],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            [_tensor(name, array) for name, array in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


class Network:
    """A graph that onnxruntime has loaded; ``run`` maps images to tensors."""

    def __init__(self, graph: StandardGraph, outputs: Sequence[str]) -> None:
        # Not the graph: onnxruntime packs the constants anew, and they take as much memory as the model.
        self._input_name, self._input_shape = graph.input_name, graph.input_shape
        self._outputs = tuple(outputs)
        large = {name: array for name, array in graph.constants.items() if _is_large(array)}
        self._loaded = _load(graph.model(self._outputs), large)

    @property
    def batch(self) -> int:
        """Images of one run."""
        return self._input_shape[0]

    def run(self, images: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Compute any number of images ``(N, C, H, W)``.

        Returns:
            For each output ``(N, features)``; the batch is the outermost dimension of every output.
        """
        runs = [self._run(images[start : start + self.batch]) for start in range(0, len(images), self.batch)]
        return {name: np.concatenate([run[name] for run in runs]) for name in self._outputs}

    def _run(self, images: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """Compute up to ``batch`` images; the first is repeated to fill the batch."""
        missing = self.batch - len(images)
        full = np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images
        arrays = _run(self._loaded, self._outputs, {self._input_name: full})
        return {
            name: self._by_image(name, array)[: len(images)]
            for name, array in zip(self._outputs, arrays, strict=True)
        }

    def _by_image(self, name: str, array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        if not array.ndim or array.shape[0] % self.batch:
            raise ArtifactError(
                f"tensor {name!r} of shape {array.shape}: dimension 0 is not made of {self.batch} images"
            )
        return array.reshape(self.batch, -1)


def check_runtime() -> None:
    """Refuse before work of minutes.

    Raises:
        RuntimeUnavailable: onnxruntime is not installed, or does not load.
    """
    _onnxruntime()


def runtime_name() -> str:
    """Name and version of what computes, which is not imported.

    Raises:
        RuntimeUnavailable: onnxruntime is not installed.
    """
    # Importing it takes 40 ms, and a comparison whose results are known only needs its version.
    versions = package_versions(("onnxruntime", "onnxruntime-gpu"))
    version = next(iter(versions.values()), None) or _onnxruntime().__version__
    return f"onnxruntime {version}"


def evaluate(
    nodes: Sequence[NodeProto], feeds: Mapping[str, Array], outputs: Sequence[str], opset: int
) -> dict[str, Array]:
    """Run standard nodes once on arrays."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    graph = helper.make_graph(nodes, "constants", inputs, [onnx.ValueInfoProto(name=n) for n in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return dict(zip(outputs, _run(_load(model, {}), outputs, feeds), strict=True))


def _load(model: onnx.ModelProto, large: Mapping[str, Array]) -> Any:
    runtime = _onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    # An export runs beside this, and threads that wait in a loop would take its core.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ONLY_ERRORS
    options.add_external_initializers(
        list(large), [runtime.OrtValue.ortvalue_from_numpy(array) for array in large.values()]
    )
    try:
        return runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no other base in common
        raise ArtifactError(f"{runtime_name()} cannot load the graph: {_first_line(error)}") from error


def _run(loaded: Any, outputs: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
    try:
        arrays: list[Array] = loaded.run(list(outputs), dict(feeds))
    except Exception as error:  # as above; running out of memory is one of them
        raise ArtifactError(f"{runtime_name()} cannot run the graph: {_first_line(error)}") from error
    return arrays


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def _onnxruntime() -> Any:
    with needing("onnxruntime", "export", "ort"):
        import onnxruntime
    return onnxruntime


def _is_large(array: Array) -> bool:
    return array.nbytes > _INLINE_BYTES


def _tensor(name: str, array: Array) -> TensorProto:
    if not _is_large(array):
        return numpy_helper.from_array(np.asarray(array), name)
    tensor = TensorProto(
        name=name,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        dims=array.shape,
        data_location=TensorProto.EXTERNAL,
    )
    tensor.external_data.add(key="location", value="memory")
    return tensor
