"""Tokens behind chosen blocks as the outputs of a timm model, in place of its own."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from trtbench.errors import SpecError

_BEHIND_THE_BLOCKS = ("norm", "fc_norm", "attn_pool", "head_drop", "head", "head_dist")
FEATURES = "features"


def feature_names(blocks: Sequence[int]) -> tuple[str, ...]:
    """What the outputs are called."""
    return tuple(f"{FEATURES}_{block}" for block in blocks)


def give_features(model: Any, blocks: Sequence[int]) -> None:
    """Let ``forward`` give all tokens ``(B, N, C)`` behind each of ``blocks``, as the blocks leave them.

    Blocks behind the last one, and all that follows the blocks, are removed.

    Raises:
        SpecError: the model has fewer blocks.
    """
    check_blocks(blocks, len(model.blocks))
    model.blocks = model.blocks[: blocks[-1] + 1]
    for name in _BEHIND_THE_BLOCKS:
        if getattr(model, name, None) is not None:
            setattr(model, name, nn.Identity())
    model.num_classes, model.feature_blocks = 0, tuple(blocks)
    model.__class__ = _with_features(type(model))


def check_blocks(blocks: Sequence[int], depth: int) -> None:
    """Refuse blocks that are not there.

    Raises:
        SpecError: the last one is not.
    """
    if blocks[-1] >= depth:
        raise SpecError(f"features: no block {blocks[-1]}: the model has blocks 0 to {depth - 1}")


def _with_features(kind: type[nn.Module]) -> type[nn.Module]:
    """The same class with another ``forward``: timm's own computes what is in front of the blocks."""

    def forward(self: Any, x: Tensor) -> tuple[Tensor, ...]:
        found: list[Tensor] = []
        handles = [
            self.blocks[block].register_forward_hook(lambda _, __, tokens: found.append(tokens))
            for block in self.feature_blocks
        ]
        try:
            self.forward_features(x)
        finally:
            for handle in handles:
                handle.remove()
        return tuple(found)

    return type(kind.__name__, (kind,), {"forward": forward})
