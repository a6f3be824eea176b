"""What a packed engine holds: for whoever unpacks it elsewhere."""

from typing import Literal

from trtbench.results.base import SCHEMA_VERSION, FileRecord, Positive, Result, TensorRecord
from trtbench.results.rows import Row, flat
from trtbench.specs import Spec


class Preprocessing(Spec):
    """How images become the input: resized, cropped to ``input_size`` (C, H, W), and normalised.

    ``mean`` and ``std`` are of pixels from 0 to 1, one a channel; ``crop_pct``: the part of a side kept.
    ``assumed``: the model does not say so, and ImageNet's were taken.
    """

    input_size: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str
    crop_pct: float
    crop_mode: str
    assumed: bool = False


class Pack(Result):
    """``pack.json`` of a zip file; paths are relative to its only folder.

    Args:
        model, recipe, batch, weights, preprocessing: null where the model is not trtbench's export.
        class_names: in order; empty where they are not known.
        inputs, outputs: tensors of the model; empty where they are not known.
        onnx, engine: the payloads.
        files: all others.
        backend, backend_version: what loads the engine: the compiler's runtime in this very version.
    """

    schema_version: int = SCHEMA_VERSION
    kind: Literal["pack"] = "pack"
    name: str
    model: str | None
    recipe: str | None
    batch: Positive | None
    weights: str | None
    preprocessing: Preprocessing | None
    class_names: tuple[str, ...]
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    onnx: FileRecord
    engine: FileRecord
    files: tuple[FileRecord, ...]
    backend: str
    backend_version: str
    targets: tuple[str, ...]
    trtbench_version: str

    def to_rows(self) -> list[Row]:
        """One a file."""
        return [flat(each, "name", "size_bytes", "sha256") for each in (self.onnx, self.engine, *self.files)]
