"""How images are prepared for a model that is not timm's: as the file of a known layout beside it says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trtbench.errors import ExportError
from trtbench.host.json_text import parse_foreign_json
from trtbench.host.untrusted_files import TEXT_BYTES, read_untrusted
from trtbench.specs import PreparationSpec, SourceSpec, first_problem
from trtbench.store.files import reading

_HUGGING_FACE, _TIMM = "preprocessor_config.json", "config.json"
_RESAMPLING = {"0": "nearest", "1": "lanczos", "2": "bilinear", "3": "bicubic", "4": "box", "5": "hamming"}
"""Pillow's numbers."""
_OF_TIMM = ("mean", "std", "interpolation", "crop_pct", "crop_mode")
_LARGEST_PIXEL = 255


@dataclass(frozen=True)
class StatedPreparation:
    """What timm's configurations hold, one line on where it comes from, and whether it is an assumption."""

    config: dict[str, Any]
    note: str
    is_assumed: bool = False


def image_preparation(source: SourceSpec) -> StatedPreparation:
    """Read ``preprocessor_config.json`` in the folder of the model, else timm's ``config.json`` there.

    Raises:
        ArtifactError: the file cannot be read.
        ExportError: it is not JSON, or a value is wrong.
    """
    path = stated_file(source)
    if path is None:
        return StatedPreparation(
            {},
            f"images are normalised with ImageNet's mean and deviation: {_HUGGING_FACE} is missing",
            is_assumed=True,
        )
    content = _read(path)
    config = _of_hugging_face(path, content) if path.name == _HUGGING_FACE else _of_timm(content)
    try:
        PreparationSpec(**{name: config[name] for name in PreparationSpec.model_fields if name in config})
    except ValidationError as error:
        raise ExportError(f"{path}: {first_problem(error)}") from error
    numbers = (f"{name} {', '.join(f'{each:.4g}' for each in config[name])}" for name in ("mean", "std"))
    stated = "; ".join(text for name, text in zip(("mean", "std"), numbers, strict=True) if name in config)
    return StatedPreparation(config, f"images are prepared as {path.name} beside the model says: {stated}")


def stated_file(source: SourceSpec) -> Path | None:
    """The file that says it; a ``config.json`` without means is another's.

    Raises:
        ArtifactError: it cannot be read.
        ExportError: it is not JSON.
    """
    if source.kind == "function":
        return None
    folder = Path(source.path) if source.kind == "folder" else Path(source.path).parent
    if (folder / _HUGGING_FACE).is_file():
        return folder / _HUGGING_FACE
    path = folder / _TIMM
    return path if path.is_file() and "mean" in _of_timm(_read(path)) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        with reading(path):
            content = parse_foreign_json(read_untrusted(path, TEXT_BYTES))
    except ValueError as error:
        raise ExportError(f"{path}: invalid JSON: {error}") from error
    return content if isinstance(content, dict) else {}


def _of_timm(content: dict[str, Any]) -> dict[str, Any]:
    """The file of timm, or the older one without an inner object."""
    inner = content.get("pretrained_cfg", content)
    stated = inner if isinstance(inner, dict) else {}
    return {
        name: tuple(stated[name]) if isinstance(stated[name], list) else stated[name]
        for name in _OF_TIMM
        if stated.get(name) is not None
    }


def _of_hugging_face(path: Path, stated: dict[str, Any]) -> dict[str, Any]:
    size, crop = _side(stated.get("size")), _side(stated.get("crop_size"))
    is_cropped = bool(stated.get("do_center_crop") and size and crop)
    mean, std = _statistics(path, stated)
    found: dict[str, Any] = {
        "mean": mean,
        "std": std,
        "interpolation": _RESAMPLING.get(str(stated.get("resample", 2))),
        "crop_pct": crop / size if is_cropped and crop and size else 1.0,
        "crop_mode": "center" if is_cropped else "squash",
    }
    return {name: value for name, value in found.items() if value}


def _statistics(path: Path, stated: dict[str, Any]) -> tuple[Any, Any]:
    """Mean and deviation of pixels from 0 to 1; Hugging Face's are of pixels times ``rescale_factor``."""
    if stated.get("do_normalize") is False:
        mean, std = [0.0], [1.0]
    else:
        mean, std = (_listed(stated.get(name)) for name in ("image_mean", "image_std"))
    factor = stated.get("rescale_factor", 1 / _LARGEST_PIXEL) if stated.get("do_rescale", True) else 1.0
    try:
        scale = _LARGEST_PIXEL * float(factor)
        return tuple(float(each) / scale for each in mean), tuple(float(each) / scale for each in std)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ExportError(
            f"{path}: image_mean, image_std or rescale_factor holds no numbers, or 0; correct it"
        ) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _side(stated: Any) -> int | None:
    """Shorter side of a size, which is a number or names its sides."""
    if isinstance(stated, dict):
        stated = stated.get("shortest_edge", stated.get("height"))
    return stated if isinstance(stated, int) else None
