"""A model that is not timm's as an ONNX file: it is one, or torch's exporter writes it in FP32."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from trtbench.export.capture import captured_output
from trtbench.export.checkpoint_files import weights_sha256
from trtbench.export.stated_preparation import stated_file
from trtbench.results import FileRecord
from trtbench.specs import ImageSize, ModelSpec
from trtbench.store.files import file_record


def onnx_file(spec: ModelSpec) -> Path:
    """The ONNX file of a model with a source; one that is written lies there until the process ends.

    Raises:
        SpecError: the folder or the function is wrong.
        RuntimeUnavailable: a package is missing.
        ExportError: the model cannot be made or written.
    """
    if spec.source is None:
        raise ValueError(f"{spec.name} is timm's")
    if spec.source.kind == "onnx":
        return Path(spec.source.path)
    return _written(spec.source.kind, spec.source.path, spec.img_size, spec.seed)


@cache
def _scratch() -> "TemporaryDirectory[str]":
    return TemporaryDirectory(prefix="trtbench-")


@cache
def _written(kind: str, path: str, img_size: ImageSize | None, seed: int) -> Path:
    from trtbench.export.torch_source import folder_model, function_model, write_onnx

    folder = Path(mkdtemp(dir=_scratch().name))
    with captured_output(folder / "export.log"):
        model = folder_model(Path(path)) if kind == "folder" else function_model(path, seed)
        return write_onnx(model, path, img_size, folder)


def content_sha256(spec: ModelSpec) -> str:
    """SHA-256 of all that a model with a source is made of.

    Raises:
        SpecError: it is not there.
        ArtifactError: a file cannot be read, or is not an ONNX model.
        ExportError: a function gives no model.
    """
    stated = None if spec.source is None else stated_file(spec.source)
    beside = [file_record(stated)] if stated is not None else []
    if spec.source is not None and spec.source.kind == "folder":
        weights = weights_sha256(Path(spec.source.path))
        records = [FileRecord(name="weights", sha256=weights, size_bytes=0), *beside]
    else:
        path = onnx_file(spec)
        records = [*(file_record(file) for file in (path, *_external_files(path))), *beside]
    if len(records) == 1:
        return records[0].sha256
    return sha256("".join(f"{record.name}\0{record.sha256}\n" for record in records).encode()).hexdigest()


def _external_files(path: Path) -> list[Path]:
    """Files beside an ONNX model that hold its weights."""
    from trtbench.onnx_files import read_model
    from trtbench.onnx_files.external import external_files

    return [path.parent / name for name in sorted(external_files(path, read_model(path)))]
