"""Largest magnitudes of Q, K and V in each attention, seen in a forward pass."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from trtbench.export.passes.fp8_attention import AttentionRange


def attention_ranges(model: nn.Module, images: Iterable[Tensor]) -> tuple[AttentionRange, ...]:
    """Run batches ``(B, C, H, W)`` through ``model`` and return one range for each call of attention."""
    largest: list[AttentionRange] = []
    with torch.no_grad():
        for batch in images:
            with _Recorder() as recorder:
                model(batch)
            seen = recorder.ranges
            largest = [_union(*pair) for pair in zip(largest, seen, strict=True)] if largest else seen
    return tuple(largest)


class _Recorder(TorchFunctionMode):
    """Looks at the arguments of every ``scaled_dot_product_attention``, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[AttentionRange] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is scaled_dot_product_attention:
            query, key, value = args[:3]
            scale = (kwargs or {}).get("scale") or query.shape[-1] ** -0.5
            self.ranges.append(
                AttentionRange(_amax(query) * scale, _amax(key), _amax(value)),
            )
        return func(*args, **(kwargs or {}))


def _amax(tensor: Tensor) -> float:
    return float(tensor.abs().max())


def _union(first: AttentionRange, second: AttentionRange) -> AttentionRange:
    return AttentionRange(
        max(first.query, second.query), max(first.key, second.key), max(first.value, second.value)
    )
