"""The proof that a model computes what the file does that it was made of."""

from pathlib import Path

import onnxruntime
import torch
from onnx import ModelProto, TensorProto
from torch import Tensor

from trtbench.errors import ExportError
from trtbench.export.onnx_source.module import ImportedViT
from trtbench.export.onnx_source.read import batch_of

_BATCHES = 2
_ONLY_ERRORS = 3
_TOLERANCES = {TensorProto.FLOAT: 1e-4}  # relative, of the whole output
_NARROW_TOLERANCE = 2e-2


def check_same(model: ImportedViT, source: ModelProto, path: Path) -> None:
    """Compare both on random images: twice the file's batch, all at once in the model.

    Raises:
        ExportError: onnxruntime cannot run the file, or the numbers differ.
    """
    batch = batch_of(source) or 1
    images = torch.randn((_BATCHES * batch, *model.image_shape), generator=torch.Generator().manual_seed(0))
    wanted = _run(path, source, images, batch)
    with torch.inference_mode():
        try:
            found = model(images)
        except RuntimeError as error:
            raise ExportError(f"{path}: cannot be computed for {len(images)} images: {error}") from error
    kind = source.graph.input[0].type.tensor_type.elem_type
    tolerance = _TOLERANCES.get(kind, _NARROW_TOLERANCE)
    if found.shape != wanted.shape or not (found - wanted).norm() <= tolerance * wanted.norm():
        raise ExportError(
            f"{path}: the imported model gives other numbers than the file, or they are not finite; "
            "export it anew, with a dynamic batch and no optimisation"
        )


def _run(path: Path, source: ModelProto, images: Tensor, batch: int) -> Tensor:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ONLY_ERRORS
    name, output = source.graph.input[0].name, source.graph.output[0].name
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        kind = session.get_inputs()[0].type
        typed = images.half() if kind == "tensor(float16)" else images
        results = [session.run([output], {name: part.numpy()})[0] for part in torch.split(typed, batch)]
    except Exception as error:  # its exceptions have no other base in common
        raise ExportError(f"{path}: onnxruntime cannot run it: {str(error).splitlines()[0]}") from error
    return torch.cat([torch.tensor(result).float() for result in results])
