"""What a model does to one image or one sequence, seen in a forward pass on the device ``meta``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from trtbench.export.model import image_shape
from trtbench.vit import block_of, role_of

CallKind = Literal["linear", "convolution", "attention", "norm", "activation", "add"]

_KIND_OF_ROLE: dict[str, CallKind] = {"norm": "norm", "gelu": "activation"}


@dataclass(frozen=True)
class Call:
    """One operation. Its tensors lie on the device ``meta``: they have shapes, and no values.

    Args:
        path: of the module; for attention and additions, of the module that calls them.
        inputs: activations alone; Q, K and V of an attention.
        module: the layer; None for attention and additions.
    """

    path: str
    kind: CallKind
    inputs: tuple[Tensor, ...]
    output: Tensor
    module: nn.Module | None = None


def image_calls(meta_model: nn.Module) -> tuple[Call, ...]:
    """All calls for one image, in order: Linear layers, convolutions, attention, norms, activations, and the
    additions to the residual stream.
    """
    return _recorded(
        meta_model, lambda: meta_model(torch.empty((1, *image_shape(meta_model)), device="meta"))
    )


def sequence_calls(meta_model: Any, tokens: int) -> tuple[Call, ...]:
    """All calls for one sequence that enters the first block: no patch embedding, no head."""

    def run() -> None:
        stream = torch.empty((1, tokens, meta_model.embed_dim), device="meta")
        for block in meta_model.blocks:
            stream = block(stream)
        meta_model.norm(stream)

    return _recorded(meta_model, run)


def _recorded(model: nn.Module, run: Callable[[], object]) -> tuple[Call, ...]:
    calls: list[Call] = []
    with _recording(model, calls), torch.inference_mode():
        run()
    return tuple(calls)


@contextmanager
def _recording(model: nn.Module, calls: list[Call]) -> Iterator[None]:
    """Record what is called while the block lasts."""
    path: list[str] = []
    handles = []
    for name, module in model.named_modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = True
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: path.append(name)))
        handles.append(module.register_forward_hook(_record(name, calls, path)))
    try:
        with _FunctionCalls(calls, path):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _record(name: str, calls: list[Call], path: list[str]) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        path.pop()
        kind = _kind_of(name, module)
        if kind is not None:
            calls.append(Call(name, kind, (inputs[0],), output, module))

    return hook


def _kind_of(name: str, module: nn.Module) -> CallKind | None:
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, nn.Conv2d):
        return "convolution"
    return None if isinstance(module, nn.Identity) else _KIND_OF_ROLE.get(role_of(name))


class _FunctionCalls(TorchFunctionMode):
    """Records attention and what blocks add to the residual stream, with the module that calls it."""

    def __init__(self, calls: list[Call], path: list[str]) -> None:
        super().__init__()
        self._calls, self._path = calls, path

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is scaled_dot_product_attention:
            self._calls.append(Call(self._path[-1], "attention", tuple(args[:3]), output))
        elif func is Tensor.add and self._in_block() and _are_alike(*args[:2]):
            self._calls.append(Call(self._path[-1], "add", tuple(args[:2]), output))
        return output

    def _in_block(self) -> bool:
        """Whether a block itself calls, and not a module in it."""
        path = self._path[-1] if self._path else ""
        return block_of(path) is not None and path.rpartition(".")[2].isdigit()


def _are_alike(first: Any, second: Any) -> bool:
    """Whether both are tensors of one shape: a residual connection, and not a number added."""
    return isinstance(first, Tensor) and isinstance(second, Tensor) and first.shape == second.shape
