"""The ONNX model that goes into a build: an exported artifact or any ``.onnx`` file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trtbench.build.dimensions import Dimensions, dimensions_of
from trtbench.build.external import external_path, tensors_of
from trtbench.errors import ArtifactError
from trtbench.results import FileRecord, OnnxManifest
from trtbench.specs import ExportSpec, canonical_hash
from trtbench.store.artifacts import OnnxArtifact, Store, load_artifact
from trtbench.store.files import file_record

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto


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


def load_onnx(path: Path) -> OnnxArtifact | Path:
    """Open what ``path`` names: an exported artifact (directory, manifest or payload), else a bare ONNX file.

    Raises:
        SpecError: nothing is at that path.
        ArtifactError: it is damaged, or an engine.
    """
    directory = path if path.is_dir() else path.parent
    if path.is_file() and not (directory / "manifest.json").is_file():
        return path
    artifact = load_artifact(path)
    if not isinstance(artifact.manifest, OnnxManifest):
        raise ArtifactError(f"{path}: an engine; build takes an exported model or an .onnx file")
    return OnnxArtifact(artifact.directory, artifact.manifest)


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
        inputs={record.name: record.shape for record in onnx.manifest.inputs},
    )


def _source_of_file(path: Path) -> OnnxSource:
    record, graph = file_record(path), _load_model(path).graph
    weights = tuple(
        _weight_record(path, name, needed) for name, needed in sorted(_weight_files(graph).items())
    )
    # Not resolved: weights lie beside the link, as in the cache of Hugging Face.
    return OnnxSource(path.absolute(), record, weights, None, _inputs(path, graph))


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


def _weight_record(model: Path, name: str, needed_bytes: int) -> FileRecord:
    """Describe a file of weights; TensorRT-RTX 1.5 and 1.6 would make an engine from one cut short."""
    path = external_path(model, name)
    record = file_record(path)
    if record.size_bytes < needed_bytes:
        raise ArtifactError(
            f"{path}: {record.size_bytes} bytes, the model reads {needed_bytes}: export or download it again"
        )
    return record.model_copy(update={"name": name})


def _content_sha256(records: Sequence[FileRecord]) -> str:
    """Hash of the file hashes; for the usual single file its own."""
    hashes = [record.sha256 for record in records]
    return hashes[0] if len(hashes) == 1 else canonical_hash(hashes)


def _weight_files(graph: "GraphProto") -> dict[str, int]:
    """The files that hold weights of the model, as it names them, and how many bytes it reads of each."""
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    needed_bytes: dict[str, int] = {}
    for tensor in tensors_of(graph):
        if uses_external_data(tensor):
            info = ExternalDataInfo(tensor)
            end = (info.offset or 0) + (info.length or 0)
            needed_bytes[info.location] = max(end, needed_bytes.get(info.location, 0))
    return needed_bytes


def _load_model(path: Path) -> "ModelProto":
    """Read the model without weights in other files.

    Raises:
        ArtifactError: not ONNX. TensorRT-RTX would take text or an empty file for a graph without outputs.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise ArtifactError(
            f"{path}: not an ONNX model, or cut short: export or download it again"
        ) from error
    if not model.opset_import or not model.graph.output:
        raise ArtifactError(f"{path}: not an ONNX model, or cut short: it has no opset or no graph output")
    return model
