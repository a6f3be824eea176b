"""The graph that ModelOpt's own example exports (``examples/torch_onnx/torch_quant_to_onnx.py``, 0.47)."""

from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from modelopt.torch._deploy.utils import torch_onnx
from torch import nn

from trtbench.export.trace import traceable


def stock_graph(model: nn.Module, image_shape: tuple[int, int, int]) -> onnx.ModelProto:
    """Export a quantised float32 model with ModelOpt, which converts the graph to FP16 after tracing.

    For INT8, FP8 and MXFP8. The conversion of NVFP4 graphs asks TensorRT for types (TensorRT-RTX refuses the
    graph, whose types do not fit before the conversion). There a model traced in FP16 stands in, with
    ModelOpt's quantizers as they are: a Cast to float32 before ``TRT_FP4DynamicQuantize`` and one to FP16
    behind dequantized operands. Where the conversion leaves these casts is seen with TensorRT only.
    """
    with traceable(model), _result_as_model():
        exported, _ = torch_onnx.get_onnx_bytes_and_metadata(
            model, (torch.zeros((1, *image_shape)),), dynamic_axes={"x": {0: "batch"}}, weights_dtype="fp16"
        )
    graph: onnx.ModelProto = exported
    return graph


class _WrittenModel:
    """Replaces ModelOpt's ``OnnxBytes``, and returns the model that it was given to read."""

    def __init__(self, onnx_load_path: str) -> None:
        self._model = onnx.load(onnx_load_path)

    def to_bytes(self) -> onnx.ModelProto:
        return self._model


@contextmanager
def _result_as_model() -> Iterator[None]:
    """Let ModelOpt return its result without putting it into base64 in JSON, which takes 7 s for INT8."""
    original = torch_onnx.OnnxBytes
    torch_onnx.OnnxBytes = _WrittenModel
    try:
        yield
    finally:
        torch_onnx.OnnxBytes = original
