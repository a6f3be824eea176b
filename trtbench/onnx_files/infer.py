"""ONNX's shape inference."""

from pathlib import Path

import onnx

from trtbench.errors import ArtifactError, TrtbenchError
from trtbench.onnx_files.faults import onnx_faults
from trtbench.units import one_line


def infer_shapes(
    model: onnx.ModelProto, path: Path, strict: bool = False, data_prop: bool = True
) -> onnx.ModelProto:
    """Infer the shapes of the graph's tensors; ``path`` is where the model comes from.

    Raises:
        ArtifactError: they cannot be inferred.
    """
    with onnx_faults(path):
        try:
            return onnx.shape_inference.infer_shapes(model, strict_mode=strict, data_prop=data_prop)
        except TrtbenchError:
            raise
        except onnx.shape_inference.InferenceError as error:
            raise ArtifactError(
                f"{path}: shapes cannot be inferred ({one_line(error)}): check the graph with onnx.checker"
            ) from error
