"""The one way in which ONNX files are read."""

from pathlib import Path
from typing import Literal

from onnx import ModelProto, inliner
from onnx.external_data_helper import uses_external_data

from trtbench.host.untrusted_files import read_untrusted
from trtbench.onnx_files.check import check_model
from trtbench.onnx_files.external import external_files, load_external
from trtbench.onnx_files.faults import onnx_faults
from trtbench.onnx_files.tensors import tensors_of
from trtbench.onnx_files.without_weights import PROTOBUF_BYTES, load_without_weights

Weights = Literal["none", "inside", "all"]
"""Which weights are read: none but small ones, those in the file itself, or those in other files, too."""


def read_model(path: Path, weights: Weights = "inside", inline: bool = False) -> ModelProto:
    """Read an ONNX file and check it.

    Args:
        path: the file.
        weights: which are read.
        inline: replace calls of the model's own functions.

    Raises:
        ArtifactError: it cannot be read, is not ONNX, contradicts itself, or needs more memory than there is.
    """
    with onnx_faults(path):
        if weights == "none":
            model = load_without_weights(path)
        else:
            model = ModelProto.FromString(read_untrusted(path, PROTOBUF_BYTES))
        check_model(model, path, has_data=weights != "none")
        if weights == "all":
            _load_external(path, model)
        return inliner.inline_local_functions(model) if inline else model


def parse_model(path: Path, content: bytes) -> ModelProto:
    """Check the ``content`` of the file ``path``; weights in other files stay there.

    Raises:
        ArtifactError: it is not ONNX, or contradicts itself.
    """
    with onnx_faults(path):
        model: ModelProto = ModelProto.FromString(content)
        check_model(model, path, has_data=True)
    return model


def _load_external(path: Path, model: ModelProto) -> None:
    external_files(path, model)
    for tensor in filter(uses_external_data, tensors_of(model)):
        load_external(path, tensor)
