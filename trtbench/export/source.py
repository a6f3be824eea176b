"""A model that is not timm's as an ONNX file: it is one, or torch's exporter writes it in FP32."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from trtbench.errors import ExportError
from trtbench.export.capture import captured_output
from trtbench.export.checkpoint_files import weights_sha256
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.results import FileRecord
from trtbench.specs import ImageSize, ModelSpec, SourceSpec
from trtbench.store.files import file_record, reading

_PREPARATION = "preprocessor_config.json"
_RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers


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
    stated = None if spec.source is None else _stated_preparation(spec.source)
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


def image_preparation(source: SourceSpec) -> tuple[dict[str, Any], tuple[str, ...]]:
    """How images are prepared, as timm's configurations say it, and a note where that is an assumption.

    Hugging Face's ``preprocessor_config.json`` says it, in the folder of the model.

    Raises:
        ExportError: that file cannot be read.
    """
    stated = _stated_preparation(source)
    if stated is None:
        note = f"images are normalised with ImageNet's mean and deviation: {_PREPARATION} is missing"
        return {}, (note,)
    try:
        with reading(stated):
            content = json.loads(read_untrusted(stated, TEXT_BYTES))
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{stated}: invalid JSON: {error}") from error
    return _configuration(content), ()


def _stated_preparation(source: SourceSpec) -> Path | None:
    path = Path(source.path)
    stated = (path if source.kind == "folder" else path.parent) / _PREPARATION
    return stated if source.kind != "function" and stated.is_file() else None


def _configuration(stated: dict[str, Any]) -> dict[str, Any]:
    size, crop = _side(stated.get("size")), _side(stated.get("crop_size"))
    found: dict[str, Any] = {
        "mean": stated.get("image_mean"),
        "std": stated.get("image_std"),
        "interpolation": _RESAMPLING.get(stated.get("resample", 2)),
    }
    if stated.get("do_center_crop") and size and crop:
        found |= {"crop_pct": crop / size, "crop_mode": "center"}
    else:
        found |= {"crop_pct": 1.0, "crop_mode": "squash"}
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.items() if value
    }


def _side(stated: Any) -> int | None:
    """Shorter side of a size, which is a number or names its sides."""
    if isinstance(stated, dict):
        stated = stated.get("shortest_edge", stated.get("height"))
    return stated if isinstance(stated, int) else None
