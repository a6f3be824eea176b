"""torch models from a folder of Hugging Face's or a function, written as FP32 ONNX with a dynamic batch."""

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trtbench.errors import ExportError, SpecError
from trtbench.export.checkpoint_files import configuration
from trtbench.export.trace import OPSET
from trtbench.host.installation import needing
from trtbench.specs import HeightWidth, ImageSize, sides_of

_TOWERS = {
    "CLIPModel": "CLIPVisionModelWithProjection",
    "SiglipModel": "SiglipVisionModel",
    "Siglip2Model": "Siglip2VisionModel",
}
"""The part for images of models that also take text."""
_INPUT = "images"
_EXPORTERS: tuple[dict[str, Any], ...] = (
    {"dynamo": False, "dynamic_axes": {_INPUT: {0: "batch"}}},
    {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False},
)
"""Torch's older exporter takes a tenth of the time, its newer one takes more models."""
_CHANNELS = 3
_SEVERAL = 2  # images: with one, torch would treat the batch as a constant


class _FirstOutput(nn.Module):
    """A model that may give several tensors, cut down to the first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        output = self.model(images)
        while not isinstance(output, Tensor):
            values: Iterable[Any] = output.values() if isinstance(output, Mapping) else output
            output = next(iter(values))
        return output


def folder_model(path: Path) -> nn.Module:
    """Load a model that transformers saved, from its folder alone; code in the folder is never run.

    Raises:
        SpecError: the folder holds no model of transformers.
        RuntimeUnavailable: transformers is not installed.
        ExportError: the weights cannot be read, or do not fit.
    """
    stated = configuration(path)
    names = stated.get("architectures")
    if not isinstance(names, list) or not names:
        hint = (
            "; use --model with its name and --checkpoint with the folder" if "architecture" in stated else ""
        )
        raise SpecError(f"--model {path}: config.json names no architectures of transformers{hint}")
    with needing("transformers", "transformers"):
        transformers: Any = importlib.import_module("transformers")
    name = _TOWERS.get(str(names[0]), str(names[0]))
    kind = getattr(transformers, name, None)
    if kind is None:
        raise SpecError(f"--model {path}: transformers {transformers.__version__} has no {name}")
    try:
        model, loaded = kind.from_pretrained(path, local_files_only=True, output_loading_info=True)
    except Exception as error:  # transformers and safetensors raise anything
        raise ExportError(f"--model {path}: {_first_line(error)}") from error
    missing = sorted(loaded["missing_keys"])
    _mark_missing(model, missing)
    return _checked(_FirstOutput(model), path, missing)


def _mark_missing(model: nn.Module, names: Iterable[str]) -> None:
    """Fill weights that the folder lacks with NaN: random ones would go unnoticed."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name in names:
            if name in parameters:
                parameters[name].fill_(torch.nan)


def _checked(model: nn.Module, path: Path, missing: list[str]) -> nn.Module:
    size = image_size(model)
    if missing and size is not None:
        with torch.no_grad():
            output = model.eval()(torch.zeros(1, _channels(model), *size))
        if not output.isfinite().all():
            raise ExportError(
                f"--model {path}: the weights lack {', '.join(missing[:3])}; download them again"
            )
    return model


def function_model(word: str, seed: int) -> nn.Module:
    """Call ``package.module:function``, which is looked up from the working directory, too.

    Raises:
        SpecError: there is no such function, or it does not return a torch model.
    """
    module_name, _, name = word.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"--model {word}: {error}") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = function()
        except Exception as error:  # the function's own
            raise SpecError(f"--model {word}: {type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(model, nn.Module):
        raise SpecError(f"--model {word}: returns {type(model).__name__}, not a torch model")
    return _FirstOutput(model)


def image_size(model: nn.Module) -> HeightWidth | None:
    """Sides of the images in pixels, where the model or its configuration states them."""
    config = getattr(model.model, "config", None)
    config = getattr(config, "vision_config", config)
    for holder in (config, model.model, getattr(model.model, "patch_embed", None)):
        for attribute in ("image_size", "img_size"):
            size = getattr(holder, attribute, None)
            if isinstance(size, int):
                return sides_of(size)
            if isinstance(size, tuple | list):
                return HeightWidth(*size)
    return None


def _channels(model: nn.Module) -> int:
    convolution = next((each for each in model.modules() if isinstance(each, nn.Conv2d)), None)
    return _CHANNELS if convolution is None else convolution.in_channels


def write_onnx(model: nn.Module, word: str, img_size: ImageSize | None, folder: Path) -> Path:
    """Write ``model.onnx`` with torch's exporter.

    Raises:
        SpecError: the image size is not known.
        ExportError: torch cannot export the model.
    """
    size = image_size(model) if img_size is None else sides_of(img_size)
    if size is None:
        raise SpecError(f"--model {word}: states no image size; give one with --img-size")
    path = folder / "model.onnx"
    images = torch.zeros(_SEVERAL, _channels(model), *size)
    failures = [_failure(model, images, path, exporter) for exporter in _EXPORTERS if not path.exists()]
    if not path.exists():
        raise ExportError(f"--model {word}: torch cannot export the model: {failures[-1]}")
    return path


def _failure(model: nn.Module, images: Tensor, path: Path, exporter: dict[str, Any]) -> str:
    """Export the model; return why it failed if it did, and there is no file."""
    try:
        with _plain_attention(), torch.no_grad():
            torch.onnx.export(
                model.eval().float(),
                (images,),
                str(path),
                opset_version=OPSET,
                input_names=[_INPUT],
                **exporter,
            )
    except Exception as error:  # the model's own errors, and torch's
        path.unlink(missing_ok=True)
        return _first_line(error)
    return ""


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Let torch's MultiheadAttention compute in operators, and not in one of torch's own."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0][:200]
