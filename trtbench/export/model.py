"""A timm Vision Transformer with its weights, as a ``ModelSpec`` asks for it."""

import inspect
import math
import time
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import HfApi
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.file_download import repo_folder_name
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from timm.layers import PatchEmbed
from timm.models import _builder
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from trtbench.errors import SpecError, WeightsError
from trtbench.export.checkpoint import Filter, load_checkpoint
from trtbench.export.checkpoint_files import configuration
from trtbench.export.features import give_features
from trtbench.export.onnx_source import import_model
from trtbench.export.onnx_source.module import ImportedViT
from trtbench.export.preparation import PREPARATION, preparation_of, prepare_as_asked
from trtbench.export.source import onnx_file
from trtbench.export.stated_preparation import image_preparation
from trtbench.export.token_reduction import reduce_tokens
from trtbench.host.memory import refuse_beyond_memory
from trtbench.specs import CheckpointSpec, ModelSpec, Scalar, SourceSpec, first_problem, sides_of
from trtbench.specs.sized_vit import sizes_of

_SUPPORTED = (VisionTransformer, Eva)
_SUPPORTED_TEXT = (
    "supported are timm's VisionTransformer (ViT, DeiT, DINOv2, SigLIP, CLIP) and Eva (EVA-02, DINOv3, ViT "
    "with rotary embedding), but not hybrids"
)
_SIZED = "vit_base_patch16_224"
"""The model of timm whose sizes ``vit<patch>x<depth>x<width>`` changes."""
_MOST_BLOCKS = 1024
_SPREAD = 0.02  # as timm initialises the weight matrices of a ViT
_NOT_SCALAR = frozenset({"device", "dtype", "kwargs"})
_HUB_TIMEOUT_S = 10.0
_KEPT_BYTES = 2 << 30  # a ViT-L takes 1.2 GB
_kept: dict[ModelSpec, nn.Module] = {}
_notes: dict[ModelSpec, tuple[str, ...]] = {}
_unreachable: dict[str, tuple[float, str]] = {}
"""Models whose weights could not be downloaded: when (s), and why."""
_REMEMBERED_S = 60.0


def meta_model(spec: ModelSpec) -> nn.Module:
    """Construct the model without weights (device ``meta``), which checks all of ``spec`` but the weights.

    Raises:
        SpecError: an unknown name or constructor argument, a wrong value, or no Vision Transformer.
    """
    if spec.source is not None:
        return build_model(spec).to("meta")
    _check_overrides(spec, _supported_class(_timm_name(spec)))
    _refuse_depth(spec)
    if spec.pretrained and sizes_of(spec.name):
        raise SpecError(
            f"model {spec.name} has no pretrained weights; remove pretrained or give a checkpoint"
        )
    try:
        model = timm.create_model(_timm_name(spec), device="meta", **_arguments(spec))
    except Exception as error:  # timm checks little: a wrong value surfaces as any kind of error
        raise SpecError(
            f"model {spec.name} cannot be constructed with {_shown(spec)}: {_why(error)}"
        ) from error
    _check_image_size(spec, model)
    _take_configuration(model, spec)
    _prepare_as_asked(model, spec)
    if spec.token_reduction is not None:
        reduce_tokens(model, spec.token_reduction)
    if spec.features is not None:
        give_features(model, spec.features)
    blueprint: nn.Module = model.eval().requires_grad_(False)
    return blueprint


def configured_model(spec: ModelSpec) -> nn.Module:
    """A model whose configuration says how images are prepared; it can do nothing else if it is not timm's.

    Raises:
        SpecError: as ``meta_model``.
        ExportError: what states the preparation cannot be read.
    """
    if spec.source is None:
        return meta_model(spec)
    model: Any = nn.Module()
    model.pretrained_cfg = image_preparation(spec.source).config
    if spec.preparation is not None:
        prepare_as_asked(model, spec.preparation)
    stand_in: nn.Module = model
    return stand_in


def build_model(spec: ModelSpec) -> nn.Module:
    """Construct the model in float32 on the CPU, ready for inference.

    The last model is kept for the next recipe: a copy takes a fifth of the time.

    Raises:
        WeightsError: the weights are out of reach or do not fit.
    """
    if spec not in _kept:
        _kept.clear()
        model = _constructed(spec).eval()
        _prepare_as_asked(model, spec)
        if spec.token_reduction is not None:
            reduce_tokens(model, spec.token_reduction)
        if spec.features is not None and spec.source is None:
            give_features(model, spec.features)
        if sum(parameter.nbytes for parameter in model.parameters()) > _KEPT_BYTES:
            return model
        _kept[spec] = model
    return deepcopy(_kept[spec])


def _prepare_as_asked(model: nn.Module, spec: ModelSpec) -> None:
    if spec.preparation is not None:
        prepare_as_asked(model, spec.preparation)
        preparation_of(model, image_shape(model)[0])


def _refuse_depth(spec: ModelSpec) -> None:
    """Every block is an object of Python, with or without weights."""
    depth = _arguments(spec).get("depth", 0)
    if isinstance(depth, int) and depth > _MOST_BLOCKS:
        raise SpecError(f"model {spec.name}: depth is {depth}; choose at most {_MOST_BLOCKS} blocks")


def _refuse_size(spec: ModelSpec) -> None:
    """The weights are in memory twice: in the model, and in the copy that is changed or in the ONNX graph."""
    weight_bytes = sum(parameter.nbytes for parameter in meta_model(spec).parameters())
    refuse_beyond_memory(
        2 * weight_bytes, f"model {spec.name} in FP32, twice,", SpecError, "choose a smaller model"
    )


def _constructed(spec: ModelSpec) -> nn.Module:
    if spec.source is not None:
        return _imported(spec, spec.source)
    _refuse_size(spec)
    arguments = _arguments(spec)
    if spec.pretrained:
        return _pretrained(spec, arguments)
    if spec.checkpoint is not None:
        return _from_checkpoint(spec, spec.checkpoint, arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model: nn.Module = timm.create_model(_timm_name(spec), **arguments)
        _vary_constant_parameters(model)
    return model


def _imported(spec: ModelSpec, source: SourceSpec) -> ImportedViT:
    model, notes = import_model(onnx_file(spec), spec.img_size, spec.features)
    stated = image_preparation(source)
    model.pretrained_cfg = stated.config
    is_asked = spec.preparation is not None and None not in (spec.preparation.mean, spec.preparation.std)
    _notes[spec] = notes if is_asked else (*notes, stated.note)
    return model


def _from_checkpoint(spec: ModelSpec, checkpoint: CheckpointSpec, arguments: dict[str, Any]) -> nn.Module:
    """Construct the model as with timm's own weights, since timm has a filter for each model; load ours."""

    def load(model: nn.Module, filter_fn: Filter | None = None, **_: object) -> None:
        _notes[spec] = load_checkpoint(model, _timm_name(spec), checkpoint, filter_fn)

    original = _builder.load_pretrained
    _builder.load_pretrained = load
    try:
        model: nn.Module = timm.create_model(_timm_name(spec), pretrained=True, **arguments)
    finally:
        _builder.load_pretrained = original
    _take_configuration(model, spec)
    return model


def _take_configuration(model: Any, spec: ModelSpec) -> None:
    """Prepare images as ``config.json`` beside the weights says, if there is one."""
    if spec.checkpoint is None:
        return
    stated = configuration(Path(spec.checkpoint.path)).get("pretrained_cfg")
    if isinstance(stated, dict):
        of_images = {name: stated[name] for name in PREPARATION if name in stated}
        model.pretrained_cfg = {**model.pretrained_cfg, **of_images}


def weight_notes(spec: ModelSpec) -> tuple[str, ...]:
    """What is worth knowing of the weights of a model that was built."""
    return _notes.get(spec, ())


def _vary_constant_parameters(model: nn.Module) -> None:
    """Spread what timm starts with one number (biases, norms, layer scale), as training would.

    Equal tensors would be stored once, and zeros be optimised away: no engine of a real model is like that.
    """
    for parameter in model.parameters():
        if parameter.dim() <= 1 or not parameter.detach().count_nonzero():
            nn.init.normal_(parameter.detach(), mean=float(parameter.detach().mean()), std=_SPREAD)


def image_shape(model: nn.Module) -> tuple[int, int, int]:
    """Channels, height and width of the images that the model takes."""
    if isinstance(model, ImportedViT):
        return model.image_shape
    height, width = _image_size(model)
    return _patch_embedding(model).proj.in_channels, height, width


@cache
def _supported_class(name: str) -> type[nn.Module]:
    """Class of the model, constructed without overrides."""
    if not timm.is_model(name):
        raise SpecError(f"model {name!r} is unknown to timm {timm.__version__}{_similar_models(name)}")
    try:
        model: nn.Module = timm.create_model(name, device="meta")
    except Exception as error:  # some other architectures compute as they are constructed
        raise SpecError(f"model {name!r} is not supported: {_why(error)}: {_SUPPORTED_TEXT}") from error
    if not isinstance(model, _SUPPORTED):
        raise SpecError(f"model {name!r} is timm's {type(model).__name__}: {_SUPPORTED_TEXT}")
    if not isinstance(model.patch_embed, PatchEmbed):
        embedding = type(model.patch_embed).__name__
        raise SpecError(
            f"model {name!r} has a convolutional network ({embedding}) in front: {_SUPPORTED_TEXT}"
        )
    return type(model)


def _timm_name(spec: ModelSpec) -> str:
    return _SIZED if sizes_of(spec.name) else spec.name


def _arguments(spec: ModelSpec) -> dict[str, Any]:
    sizes = sizes_of(spec.name)
    arguments: dict[str, Any] = {**(sizes.arguments if sizes else {}), **dict(spec.overrides)}
    if spec.img_size is not None:
        arguments["img_size"] = tuple(sides_of(spec.img_size))
    return arguments


def _check_overrides(spec: ModelSpec, model_class: type[nn.Module]) -> None:
    parameters: dict[str, inspect.Parameter] = {}
    # Subclasses such as VisionTransformerDistilled hand most arguments on as **kwargs.
    for base in reversed([base for base in model_class.__mro__ if issubclass(base, _SUPPORTED)]):
        parameters |= inspect.signature(base).parameters
    for name, value in spec.overrides:
        if name not in parameters or name in _NOT_SCALAR:
            similar = get_close_matches(name, parameters.keys() - _NOT_SCALAR, n=1)
            hint = f": did you mean {similar[0]}?" if similar else ""
            raise SpecError(f"model {spec.name}: {model_class.__name__} has no argument {name!r}{hint}")
        if name == "img_size" and spec.img_size not in (None, value):
            raise SpecError(f"model {spec.name}: img_size is {spec.img_size} and, as an override, {value!r}")
        _check_type(spec.name, name, value, parameters[name].annotation)


def _check_type(model_name: str, name: str, value: Scalar, annotation: Any) -> None:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(
            annotation, config=ConfigDict(arbitrary_types_allowed=True, strict=True)
        )
    except PydanticUserError:
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        raise SpecError(f"model {model_name}: {first_problem(error, f'overrides.{name}')}") from error


def _check_image_size(spec: ModelSpec, model: nn.Module) -> None:
    embedding, size = _patch_embedding(model), _image_size(model)
    patch = embedding.patch_size
    if any(side % step for side, step in zip(size, patch, strict=True)):
        raise SpecError(
            f"model {spec.name}: an image of {size[0]} x {size[1]} pixels is not made of whole patches of "
            f"{patch[0]} x {patch[1]}: choose an image size that is a multiple"
        )


def _image_size(model: nn.Module) -> tuple[int, int]:
    size: tuple[int, int] | None = _patch_embedding(model).img_size
    if size is None:
        raise SpecError("the model has no fixed image size: give one")
    return size


def _patch_embedding(model: nn.Module) -> Any:
    return model.get_submodule("patch_embed")


def _pretrained(spec: ModelSpec, arguments: dict[str, Any]) -> nn.Module:
    """Download timm's weights; other recipes of a command that failed to do not wait for the hub again."""
    failed_s, known = _unreachable.get(spec.name, (-math.inf, ""))
    if time.monotonic() - failed_s < _REMEMBERED_S:
        raise WeightsError(known)
    try:
        _reach_hub(timm.get_pretrained_cfg(spec.name, allow_unregistered=False).hf_hub_id)
        model: nn.Module = timm.create_model(spec.name, pretrained=True, **arguments)
    except Exception as error:
        # Whatever goes wrong between here and the hub (HTTP client, cache, proxy) has its own exception type.
        reason = (
            f"the weights of {spec.name} could not be downloaded: {_why(error).partition('. ')[0]}: "
            "without access to huggingface.co give a file with --checkpoint"
        )
        _unreachable[spec.name] = (time.monotonic(), reason)
        raise WeightsError(reason) from error
    return model


def _reach_hub(repository: str | None) -> None:
    """Ask the hub once, unless the weights may be cached: a download alone tries for a minute to reach it.

    Raises:
        Exception: of any type; the hub does not answer, or lacks the repository.
    """
    cached = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repository or "", repo_type="model")
    if repository is not None and not cached.is_dir():
        HfApi().model_info(repository, timeout=_HUB_TIMEOUT_S)


def _similar_models(name: str) -> str:
    similar = get_close_matches(name, timm.list_models(), n=3)
    return f": did you mean {', '.join(similar)}?" if similar else ": see timm.list_models('*vit*')"


def _shown(spec: ModelSpec) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in _arguments(spec).items())


def _why(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if len(text) > 10 else repr(error)
