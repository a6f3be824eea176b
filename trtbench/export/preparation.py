"""How images are prepared for a model: as timm's configuration says, or as was asked for."""

from typing import Any

from timm.data import resolve_model_data_config
from torch import nn

from trtbench.errors import SpecError
from trtbench.specs import PreparationSpec

PREPARATION = ("mean", "std", "interpolation", "crop_pct", "crop_mode")
_STATISTICS = ("mean", "std")


def prepare_as_asked(model: Any, asked: PreparationSpec) -> None:
    """Let timm's configuration of the model say what was asked for."""
    stated = {name: value for name, value in asked.model_dump().items() if value is not None}
    model.pretrained_cfg = {**model.pretrained_cfg, **stated}


def preparation_of(model: nn.Module, channels: int) -> dict[str, Any]:
    """What timm's evaluation of the model does, with a mean and a deviation for each channel.

    One number counts for all channels; grey images have the average of the three of a model of colours.

    Raises:
        SpecError: there are neither one nor as many numbers as channels.
    """
    config = resolve_model_data_config(model)
    return {
        **{name: config[name] for name in PREPARATION},
        **{name: _of_channels(name, tuple(config[name]), channels) for name in _STATISTICS},
    }


def _of_channels(name: str, numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(numbers) in (1, channels):
        return numbers * (channels // len(numbers))
    if channels == 1:
        return (sum(numbers) / len(numbers),)
    raise SpecError(
        f"the model takes {channels} channels, and {name} has {len(numbers)} numbers: give one number for "
        f"all, or one for each, with --{name}"
    )
