"""Weights from a file, read without ever running code that the file holds."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from trtbench.errors import ExportError
from trtbench.specs import CheckpointSpec
from trtbench.store.files import file_record

_WRAPPERS = ("state_dict", "model", "module")
_PREFIXES = ("module.", "model.", "_orig_mod.")  # DataParallel, Lightning, torch.compile
_SHOWN = 3


def load_checkpoint(model: nn.Module, spec: CheckpointSpec) -> None:
    """Load a safetensors file or a torch state dict, bare or wrapped by a trainer.

    Raises:
        ExportError: the file is another than the spec's, cannot be read, or does not fit the model.
    """
    path = Path(spec.path)
    found = file_record(path).sha256
    if found != spec.sha256:
        raise ExportError(
            f"checkpoint {path}: its sha256 is {found}, the spec says {spec.sha256}: export again"
        )
    state = _unwrapped(_read(path), path)
    problems = _problems(model.state_dict(), state)
    if problems:
        raise ExportError(f"checkpoint {path} does not fit {type(model).__name__}: {'; '.join(problems)}")
    model.load_state_dict(state)


def _read(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise ExportError(f"checkpoint {path}: the file is empty: save or download it again")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ExportError(
            f"checkpoint {path}: holds more than tensors, or is no checkpoint; code in it is never run: "
            "save its state dict alone, best as safetensors"
        ) from error
    # Of a file that is cut short, torch reports an EOFError without words or an OSError, too.
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        line = str(error).strip().splitlines()
        words = f" ({line[0]})" if line else ""
        raise ExportError(
            f"checkpoint {path}: cannot be read{words}, it is cut short or no checkpoint: save or download "
            "it again"
        ) from error


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not content:
        raise ExportError(f"checkpoint {path}: holds {type(content).__name__}, not a dictionary of tensors")
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if len(state) != len(content):
        other = next(key for key in content if str(key) not in state)
        raise ExportError(f"checkpoint {path}: entry {other!r} is no tensor: save the state dict alone")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _problems(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Say what does not fit; empty when all does."""
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    mismatched = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in state and state[key].shape != expected[key].shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": mismatched}
    return [
        f"{len(keys)} {kind} ({', '.join(keys[:_SHOWN])}{', ...' if len(keys) > _SHOWN else ''})"
        for kind, keys in kinds.items()
        if keys
    ]
