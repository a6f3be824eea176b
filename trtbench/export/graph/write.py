"""The ONNX file: checked, written, and the same bytes for the same model."""

from pathlib import Path

import onnx

from trtbench.errors import ExportError
from trtbench.export.graph.trt_operators import known_to_onnx

_PROTOBUF_LIMIT_BYTES = 2**31 - 2**20  # leaves room for all that is not weights
_EXTERNAL_TENSOR_BYTES = 1024


def write_model(model: onnx.ModelProto, directory: Path) -> tuple[Path, ...]:
    """Write ``model.onnx``, and beside it ``model.onnx.data`` when protobuf cannot hold the weights.

    Raises:
        ExportError: ONNX's checker finds a fault.
    """
    path, data_path = directory / "model.onnx", directory / "model.onnx.data"
    is_large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _PROTOBUF_LIMIT_BYTES
    onnx.save(
        model,
        path,
        save_as_external_data=is_large,
        all_tensors_to_one_file=True,
        location=data_path.name,
        size_threshold=_EXTERNAL_TENSOR_BYTES,
    )
    with known_to_onnx():
        try:
            onnx.checker.check_model(str(path), full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(
                f"the exported graph is not valid ONNX: {str(error).splitlines()[0]}"
            ) from error
    return (path, data_path) if is_large else (path,)
