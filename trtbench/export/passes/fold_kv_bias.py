"""No bias on K, and the bias of V behind attention.

The bias of K adds the same number to every score of a query, which softmax takes out again. The rows of
its result add up to 1, so that the bias of V comes out as it went in and can join the bias of the
projection that follows: ``proj(P (V + b)) = proj(P V) + W b``. Both hold exactly in real numbers, and
only where nothing (a norm, a rotary embedding) stands between. Without them, K and V go from the product to
attention without a kernel between: in FP16, or in FP8 from an FP8 product to FP8 attention.
"""

import torch
from torch import nn


def run(model: nn.Module) -> int:
    """Fold in every attention where it holds; return how many."""
    foldable = [module for module in model.modules() if _is_foldable(module)]
    with torch.no_grad():
        for attention in foldable:
            _fold(attention)
    return len(foldable)


def _is_foldable(module: nn.Module) -> bool:
    """Whether ``module`` is timm's ``Attention`` with a fused bias, and nothing acts on K or behind P V."""
    qkv, proj = getattr(module, "qkv", None), getattr(module, "proj", None)
    between = [getattr(module, name, None) for name in ("q_norm", "k_norm", "norm")]
    return (
        isinstance(qkv, nn.Linear)
        and isinstance(proj, nn.Linear)
        and qkv.bias is not None
        and proj.bias is not None
        and all(part is None or isinstance(part, nn.Identity) for part in between)
        and not hasattr(module, "rope")
        and type(module).__name__ == "Attention"
    )


def _fold(attention: nn.Module) -> None:
    qkv, proj = attention.get_submodule("qkv"), attention.get_submodule("proj")
    _, key_bias, value_bias = qkv.get_parameter("bias").chunk(3)
    bias, weight = proj.get_parameter("bias"), proj.get_parameter("weight")
    bias.add_((weight.double() @ value_bias.double()).to(bias.dtype))
    key_bias.zero_()
    value_bias.zero_()
