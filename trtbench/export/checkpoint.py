"""Weights from a file, read without ever running code that the file holds."""

import pickle
import re
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from trtbench.errors import WeightsError
from trtbench.export.checkpoint_files import configuration, weight_files, weights_sha256
from trtbench.export.checkpoint_fit import image_side, misfits
from trtbench.specs import CheckpointSpec

State = dict[str, Tensor]
Filter = Callable[[State, nn.Module], State]

_EMA = re.compile(r"(^|_)ema(_|$)|^teacher$")
_WRAPPERS = ("state_dict", "model", "module", "student")
_DEPTH = 4  # of wrappings
_ANCHOR = "patch_embed.proj.weight"
_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_JAX = (".npz", ".npy")


def load_checkpoint(
    model: nn.Module, architecture: str, spec: CheckpointSpec, filter_fn: Filter | None
) -> tuple[str, ...]:
    """Load weights in any layout that timm takes, bare or wrapped by a trainer; return notes on the choice.

    Args:
        model: in float32.
        architecture: timm's name of it.
        spec: a safetensors file, a torch state dict, a JAX archive, an index of shards, or a folder.
        filter_fn: timm's for this model, from other layouts and sizes to the model's.

    Raises:
        WeightsError: the file is another than the spec's, cannot be read, or does not fit the model.
    """
    path = Path(spec.path)
    found = weights_sha256(path)
    if found != spec.sha256:
        raise WeightsError(
            f"checkpoint {path}: its sha256 is {found}, the spec says {spec.sha256}: export again"
        )
    named = configuration(path).get("architecture", architecture)
    if named != architecture:
        raise WeightsError(f"checkpoint {path}: config.json says that it is a {named}: use --model {named}")
    for file in weight_files(path):
        if file.stat().st_size == 0:
            raise WeightsError(f"checkpoint {file}: the file is empty: save or download it again")
    if path.suffix in _JAX:
        notes = _load_jax(model, path)
    else:
        state, notes = _state_of(path)
        notes += _load_state(model, state, filter_fn, path)
    _refuse_infinite(model, path)
    return notes


def _load_jax(model: nn.Module, path: Path) -> tuple[str, ...]:
    """Let timm read an archive: it leaves alone what the archive lacks, such as a head of another size."""
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    try:
        getattr(model, "load_pretrained")(str(path))  # noqa: B009  (mypy does not know the attribute)
        with np.load(path, allow_pickle=False) as archive:
            shapes = {name: archive[name].shape for name in archive.files if name.endswith("head/bias")}
    except Exception as error:  # timm finds out as it reads
        raise WeightsError(f"checkpoint {path}: cannot be read as a JAX archive: {error}") from error
    loaded = {name: tensor for name, tensor in model.state_dict().items() if not tensor.isnan().all()}
    for shape in shapes.values():
        loaded.setdefault("head.bias", torch.empty(shape, device="meta"))
    problems = misfits(expected, {name: tensor.shape for name, tensor in loaded.items()})
    if problems:
        raise WeightsError(f"checkpoint {path} does not fit {type(model).__name__}: {problems}")
    return ()


def _state_of(path: Path) -> tuple[State, tuple[str, ...]]:
    files = weight_files(path)
    if len(files) == 1:
        return _unwrapped(_read(files[0]), path)
    state: State = {}
    for file in files:
        state |= _unwrapped(_read(file), file)[0]
    return state, ()


def _read(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([Namespace]):  # timm's train.py stores its arguments as one
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"checkpoint {path}: holds more than tensors, or is not a checkpoint; its code is never run: "
            "save its state dict alone, best as safetensors"
        ) from error
    # Of a file that is cut short, torch reports an EOFError without words or an OSError, too.
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        line = str(error).strip().splitlines()
        words = f" ({line[0]})" if line else ""
        raise WeightsError(
            f"checkpoint {path}: cannot be read{words}, truncated or not a checkpoint: save or download "
            "it again"
        ) from error


def _unwrapped(content: Any, path: Path) -> tuple[State, tuple[str, ...]]:
    """The innermost state dict, of averaged weights (EMA) where there are any, as timm takes them."""
    notes: tuple[str, ...] = ()
    for _ in range(_DEPTH):
        if not isinstance(content, Mapping):
            break
        wrapped = [str(key) for key, value in content.items() if isinstance(value, Mapping) and value]
        averaged = [key for key in wrapped if _EMA.search(key)]
        plain = [key for key in _WRAPPERS if key in wrapped]
        if not averaged and not plain:
            break
        chosen = (*averaged, *plain)[0]
        if averaged and plain:
            notes += (
                f"checkpoint {path}: the averaged weights in {chosen!r} are taken, not those in {plain[0]!r}",
            )
        content = content[chosen]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"checkpoint {path}: holds {type(content).__name__}, not a dictionary of tensors")
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if len(state) != len(content):
        other = next(key for key in content if str(key) not in state)
        raise WeightsError(f"checkpoint {path}: entry {other!r} is not a tensor: save the state dict alone")
    return state, notes


def _load_state(model: nn.Module, state: State, filter_fn: Filter | None, path: Path) -> tuple[str, ...]:
    expected = model.state_dict()
    nearest: tuple[int, str] | None = None
    failure: Exception | None = None
    for prefix in _prefixes(state):
        inner = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        try:
            fitted = filter_fn(dict(inner), model) if filter_fn else inner
        except Exception as error:  # a filter finds out as it converts that a layout is not its own
            failure = failure or error
            continue
        shapes = {name: tensor.shape for name, tensor in fitted.items()}
        problems = misfits({name: tensor.shape for name, tensor in expected.items()}, shapes)
        if not problems:
            _refuse_other_types(expected, fitted, path)
            model.load_state_dict(fitted)
            return (*_left_out(state, prefix, path), *_resampled(inner, fitted, path))
        common = len(expected.keys() & fitted.keys())
        if nearest is None or common > nearest[0]:
            nearest = (common, problems)
    why = nearest[1] if nearest else failure
    raise WeightsError(f"checkpoint {path} does not fit {type(model).__name__}: {why}") from failure


def _prefixes(state: State) -> Iterator[str]:
    """Prefixes that wrappers may have put before the names: none, what all share, what the anchor has."""
    yield ""
    anchors = {key.removesuffix(_ANCHOR) for key in state if key.endswith(f".{_ANCHOR}")}
    shared = ""
    while (parts := {key.removeprefix(shared).partition(".")[0] for key in state}) and len(parts) == 1:
        shared += f"{parts.pop()}."
        if not all(key.startswith(shared) for key in state):
            break
        anchors.add(shared)
    yield from sorted(anchors, key=lambda prefix: (not re.search(r"ema|teacher", prefix), len(prefix)))


def _left_out(state: State, prefix: str, path: Path) -> tuple[str, ...]:
    others = [key for key in state if not key.startswith(prefix)]
    if not others:
        return ()
    shown = f"{others[0]}{', ...' if len(others) > 1 else ''}"
    return (f"checkpoint {path}: the weights are those of {prefix}*; left out: {len(others)} more ({shown})",)


def _resampled(before: State, after: State, path: Path) -> tuple[str, ...]:
    side = image_side(before, after)
    hints = {"pos_embed": f"; --img-size {side} takes the weights as they are" if side else ""}
    return tuple(
        f"checkpoint {path}: {name} is resampled from {tuple(before[name].shape)} to "
        f"{tuple(after[name].shape)}{hints.get(name, '')}"
        for name in ("pos_embed", _ANCHOR)
        if name in before and name in after and before[name].shape != after[name].shape
    )


def _refuse_other_types(expected: Mapping[str, Tensor], state: State, path: Path) -> None:
    for name, tensor in expected.items():
        if tensor.is_floating_point() and state[name].dtype not in _FLOATS:
            kind = str(state[name].dtype).removeprefix("torch.")
            raise WeightsError(
                f"checkpoint {path}: {name} is {kind}, not a weight in 16 bits or more: take the checkpoint "
                "from before it was quantised or converted"
            )


def _refuse_infinite(model: nn.Module, path: Path) -> None:
    for name, tensor in model.state_dict().items():
        bad = tensor.numel() - int(tensor.isfinite().sum())
        if bad:
            raise WeightsError(
                f"checkpoint {path}: {bad} of {tensor.numel()} values of {name} are infinite or not a "
                "number: take one from before training diverged"
            )
