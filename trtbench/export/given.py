"""A timm model object in place of a name: what would construct it again, and its weights in a file.

The file lies in the user's cache, named by its content, so that the same weights give the same artifact.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from difflib import unified_diff
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trtbench.environments.cache import cache_root, get_or_make_folder
from trtbench.errors import SpecError
from trtbench.export.checkpoint_files import weights_sha256
from trtbench.export.model import image_shape, meta_model
from trtbench.export.preparation import preparation_of
from trtbench.progress import silent
from trtbench.specs import CheckpointSpec, HeightWidth, ModelSpec, Scalar

_ARGUMENTS: dict[str, Callable[[Any], Scalar]] = {
    "depth": lambda model: len(model.blocks),
    "embed_dim": lambda model: model.embed_dim,
    "num_heads": lambda model: model.blocks[0].attn.num_heads,
    "mlp_ratio": lambda model: model.blocks[0].mlp.fc1.out_features / model.embed_dim,
    "qkv_bias": lambda model: model.blocks[0].attn.qkv.bias is not None,
    "patch_size": lambda model: model.patch_embed.patch_size[0],
    "in_chans": lambda model: model.patch_embed.proj.in_channels,
    "num_classes": lambda model: model.num_classes,
    "class_token": lambda model: model.cls_token is not None,
    "reg_tokens": lambda model: model.num_reg_tokens,
    "global_pool": lambda model: model.global_pool,
}
"""Arguments of timm's constructor, and how they are read off a model; one without such a part has none."""


def spec_of(model: nn.Module) -> ModelSpec:
    """What constructs the same model, with the weights in a file of the cache.

    Raises:
        SpecError: timm did not make the model, or it was changed in more than its weights since.
        ArtifactError: the cache cannot be written.
    """
    config = getattr(model, "pretrained_cfg", None) or {}
    if not config.get("architecture"):
        kind = type(model).__name__
        raise SpecError(f"model {kind}: timm.create_model did not make it; give a name and weights")
    name = ".".join(filter(None, (config["architecture"], config.get("tag"))))
    bare = ModelSpec(name=name, overrides=_overrides(model, meta_model(ModelSpec(name=name))))
    size = image_shape(model)[1:]
    is_own = size == image_shape(meta_model(bare))[1:]
    spec = (
        bare
        if is_own
        else bare.model_copy(update={"img_size": HeightWidth(*size) if size[0] != size[1] else size[0]})
    )
    _check_same(model, spec)
    path = _weights_folder(model, name)
    return spec.model_copy(update={"checkpoint": CheckpointSpec(path=str(path), sha256=weights_sha256(path))})


def _overrides(model: nn.Module, default: nn.Module) -> tuple[tuple[str, Scalar], ...]:
    """Arguments whose values differ from those of the model of that name."""
    found = {}
    for name, read in _ARGUMENTS.items():
        with suppress(AttributeError, IndexError):
            if read(model) != read(default):
                found[name] = read(model)
    return tuple(sorted(found.items()))


def _check_same(model: nn.Module, spec: ModelSpec) -> None:
    again = meta_model(spec)
    changed = list(unified_diff(str(again).splitlines(), str(model).splitlines(), n=0, lineterm=""))
    shapes = [{name: tensor.shape for name, tensor in each.state_dict().items()} for each in (again, model)]
    if changed or shapes[0] != shapes[1]:
        what = " ".join(changed[-1][1:].split()) if changed else "the shapes of its weights"
        arguments = ", ".join(f"{name}={value}" for name, value in spec.overrides) or "no arguments"
        raise SpecError(
            f"model {spec.name}: the object is not what timm makes with {arguments}: it differs in {what}; "
            "only its weights may"
        )


def _weights_folder(model: nn.Module, name: str) -> Path:
    """The folder with the weights and how images are prepared, written unless the cache has it."""
    state = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in model.state_dict().items()}
    prepared = preparation_of(model, image_shape(model)[0])
    config = {"architecture": name, "pretrained_cfg": prepared}
    text = json.dumps(config, sort_keys=True)
    folder = cache_root() / "weights" / _identity(state, text)
    return get_or_make_folder(folder, partial(_write, state=state, config=text), silent)


def _identity(state: dict[str, Tensor], config: str) -> str:
    digest = sha256(config.encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _write(folder: Path, state: dict[str, Tensor], config: str) -> None:
    folder.mkdir()
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(config, encoding="utf-8")
