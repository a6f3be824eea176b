"""Tensors of an ONNX model that lie in other files, read without onnx's own loader.

That loader refuses symbolic links, which all files of a Hugging Face cache are.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from trtbench.errors import ArtifactError

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto


def tensors_of(graph: "GraphProto") -> "Iterator[TensorProto]":
    """All constants of a graph and of the bodies in it."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("g"):
            yield from tensors_of(attribute.g)


def external_path(model: Path, location: str) -> Path:
    """The file beside ``model`` that holds the data of a tensor.

    Raises:
        ArtifactError: the model names an absolute path, or one outside its folder, as ONNX forbids.
    """
    place = PurePosixPath(location)
    if not location or place.is_absolute() or ".." in place.parts:
        raise ArtifactError(
            f"{model}: has weights in {location!r}, which is not a path inside its folder, as ONNX demands: "
            "move that file beside the model, and save the model again"
        )
    return model.parent / location


def load_external(model: Path, tensor: "TensorProto") -> None:
    """Read the data of ``tensor`` into it.

    Raises:
        ArtifactError: the file is missing, cut short, or outside of the model's folder.
    """
    from onnx.external_data_helper import ExternalDataInfo

    info = ExternalDataInfo(tensor)
    path = external_path(model, info.location)
    try:
        with path.open("rb") as file:
            file.seek(info.offset or 0)
            data = file.read(info.length) if info.length is not None else file.read()
    except OSError as error:
        raise ArtifactError(
            f"{path}: cannot be read ({error.strerror}), and {model.name} has weights in it: copy it beside "
            "the model"
        ) from error
    if info.length is not None and len(data) < info.length:
        raise ArtifactError(
            f"{path}: ends before byte {(info.offset or 0) + info.length}, which {model.name} reads: "
            "export or download it again"
        )
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
