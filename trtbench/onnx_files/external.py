"""Tensors of an ONNX model that lie in other files, read without onnx's own loader.

That loader refuses symbolic links, which all files of a Hugging Face cache are.
"""

from io import BufferedReader
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trtbench.errors import ArtifactError
from trtbench.host.memory import available_bytes, refuse_beyond_memory
from trtbench.host.untrusted_files import open_untrusted
from trtbench.onnx_files.faults import onnx_faults
from trtbench.onnx_files.finite import check_finite
from trtbench.onnx_files.tensors import stored_bytes, tensors_of

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto


def external_files(path: Path, model: "ModelProto") -> dict[str, int]:
    """The files that hold weights of the model at ``path``, as it names them, and the bytes it reads of each.

    Raises:
        ArtifactError: a file is missing, not a regular one, cut short or outside of the model's folder, or
            the weights need more memory than there is, or are not finite.
    """
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    needed_bytes: dict[str, int] = {}
    total_bytes = 0
    with onnx_faults(path):
        for tensor in filter(uses_external_data, tensors_of(model)):
            info, size_bytes = ExternalDataInfo(tensor), stored_bytes(tensor)
            total_bytes += size_bytes
            needed_bytes[info.location] = max(
                (info.offset or 0) + size_bytes, needed_bytes.get(info.location, 0)
            )
    refuse_beyond_memory(total_bytes, f"{path}: reading its weights", ArtifactError, "check its dimensions")
    for location, needed in needed_bytes.items():
        _check_file(path, location, needed)
    for tensor in filter(uses_external_data, tensors_of(model)):
        check_finite(path, tensor, _mapped(path, tensor))
    return needed_bytes


def _mapped(model: Path, tensor: "TensorProto") -> npt.NDArray[np.uint8]:
    """The data of a tensor in a file that was checked, read as they are needed."""
    from onnx.external_data_helper import ExternalDataInfo

    info, length = ExternalDataInfo(tensor), stored_bytes(tensor)
    start = info.offset or 0
    if start < 0 or not length:
        return np.empty(0, np.uint8)  # which load_external refuses
    return np.memmap(_place(model, info.location), np.uint8, "r", offset=start, shape=(length,))


def _check_file(model: Path, location: str, needed_bytes: int) -> None:
    path = _place(model, location)
    try:
        with open_untrusted(path, max(needed_bytes, available_bytes()), _folders(model)) as file:
            size_bytes = file.seek(0, SEEK_END)
    except OSError as error:
        raise _unreadable(model, path, error) from error
    if size_bytes < needed_bytes:
        raise ArtifactError(
            f"{path}: {size_bytes} bytes, the model reads {needed_bytes}: export or download it again"
        )


def _folders(model: Path) -> tuple[Path, Path]:
    """Where links may lead: in Hugging Face's cache, a model and its weights are links into one folder."""
    return model.parent, model.resolve().parent


def _unreadable(model: Path, path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"{path}: cannot be read ({error.strerror}), and {model.name} has weights in it: copy it beside "
        "the model"
    )


def _place(model: Path, location: str) -> Path:
    """Where ``model`` has the data of a tensor.

    Raises:
        ArtifactError: the model names an absolute path, or one outside its folder, as ONNX forbids.
    """
    place = PurePosixPath(location)
    if not location or place.is_absolute() or ".." in place.parts or "\0" in location:
        raise ArtifactError(
            f"{model}: has weights in {location!r}, which is not a path inside its folder, as ONNX demands: "
            "move that file beside the model, and save the model again"
        )
    return model.parent / location


def load_external(model: Path, tensor: "TensorProto") -> None:
    """Read the data of ``tensor`` into it.

    Raises:
        ArtifactError: the file is missing, cut short or outside of the model's folder, or sizes do not fit.
    """
    from onnx.external_data_helper import ExternalDataInfo

    info = ExternalDataInfo(tensor)
    path, start, length = _place(model, info.location), info.offset or 0, stored_bytes(tensor)
    if start < 0 or info.length not in (None, length):
        raise ArtifactError(
            f"{model}: tensor {tensor.name!r} takes {length} bytes, not {info.length} from byte {start} of "
            f"{info.location}: export it again"
        )
    try:
        with BufferedReader(open_untrusted(path, inside=_folders(model))) as file:
            file.seek(start)
            data = file.read(length)
    except OSError as error:
        raise _unreadable(model, path, error) from error
    if len(data) < length:
        raise ArtifactError(
            f"{path}: ends before byte {start + length}, which {model.name} reads: "
            "export or download it again"
        )
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
