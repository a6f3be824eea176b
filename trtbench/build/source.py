"""The ONNX model that goes into a build: an exported artifact or any ``.onnx`` file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.build.dimensions import Dimensions, dimensions_of
from trtbench.errors import ArtifactError
from trtbench.results import FileRecord, OnnxManifest
from trtbench.specs import ExportSpec, canonical_hash
from trtbench.store.artifacts import OnnxArtifact, Store
from trtbench.store.files import file_record

if TYPE_CHECKING:
    from onnx import GraphProto


@dataclass(frozen=True)
class OnnxSource:
    """A model to compile, at an absolute path.

    ``file`` is the ``.onnx`` file; ``beside``: the files that hold weights of it, named from its folder, and
    whatever else an exported model has. ``inputs``: the dimensions of each, by name.
    """

    path: Path
    file: FileRecord
    beside: tuple[FileRecord, ...]
    export: ExportSpec | None
    inputs: Mapping[str, Dimensions]

    @property
    def sha256(self) -> str:
        """Hash of the ``.onnx`` file."""
        return self.file.sha256

    def identity(self, store: Store) -> str:
        """Hash of content and place: an engine names its model, and would be stale once that moved.

        A model of the same store moves with it, so its place is its folder there.
        """
        is_own = self.path.parent.parent.resolve() == (store.root / "models").resolve()
        place = self.path.parent.name if is_own else str(self.path)
        return canonical_hash({"content": _content_sha256([self.file, *self.beside]), "path": place})

    @property
    def weight_files(self) -> tuple[FileRecord, ...]:
        """Those beside it that hold weights: of an exported model the ones that are named after it."""
        if self.export is None:
            return self.beside
        return tuple(record for record in self.beside if record.name.startswith(self.file.name))

    @property
    def label(self) -> str:
        """What people call it, for names of directories."""
        if self.export is None:
            return self.path.stem
        return f"{self.export.model.name}-{self.export.recipe}-{self.export.shape_name}"


def source_of(onnx: OnnxArtifact | Path) -> OnnxSource:
    """Identify the model to compile.

    Raises:
        ArtifactError: a bare file, or weights beside it, is missing, truncated or not ONNX.
    """
    if isinstance(onnx, Path):
        return _source_of_file(onnx)
    file, *beside = onnx.manifest.files
    return OnnxSource(
        path=onnx.payload.absolute(),
        file=file,
        beside=tuple(beside),
        export=onnx.manifest.spec,
        inputs=_exported_inputs(onnx.manifest),
    )


def _source_of_file(path: Path) -> OnnxSource:
    from trtbench.onnx_files import read_model
    from trtbench.onnx_files.external import external_files

    model = read_model(path)
    # TensorRT-RTX 1.5 and 1.6 would make an engine from weights that are cut short.
    names = sorted(external_files(path, model))
    weights = tuple(file_record(path.parent / name).model_copy(update={"name": name}) for name in names)
    # Not resolved: weights lie beside the link, as in the cache of Hugging Face.
    return OnnxSource(path.absolute(), file_record(path), weights, None, _inputs(path, model.graph))


def _inputs(path: Path, graph: "GraphProto") -> dict[str, Dimensions]:
    """Dimensions of all inputs but those that have a value, as weights had before ONNX's IR version 4."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs: dict[str, Dimensions] = {}
    for value in (value for value in graph.input if value.name not in constants):
        dims = dimensions_of(value)
        if dims is None:
            raise ArtifactError(
                f"{path}: input {value.name} has no number of dimensions: export it with its shape"
            )
        inputs[value.name] = dims
    return inputs


def _content_sha256(records: Sequence[FileRecord]) -> str:
    """Hash of the file hashes; for the usual single file its own."""
    hashes = [record.sha256 for record in records]
    return hashes[0] if len(hashes) == 1 else canonical_hash(hashes)


def _exported_inputs(manifest: OnnxManifest) -> dict[str, Dimensions]:
    is_open = manifest.spec.batch_range is not None
    return {
        record.name: ("batch", *record.shape[1:]) if is_open else record.shape for record in manifest.inputs
    }
