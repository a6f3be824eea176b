"""How a model uses its Linear layers, seen in a forward pass that computes nothing."""

from typing import Any

import torch
from timm.models.eva import EvaAttention
from torch import Tensor, nn

from trtbench.export.model import image_shape


def input_ranks(meta_model: nn.Module) -> dict[str, int]:
    """Number of dimensions of the input of each Linear layer that is called, by the layer's name.

    A layer of the model that is missing here is not called: its weight is used in some other way, past any
    quantizer, or not at all.
    """
    ranks: dict[str, int] = {}

    def record(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            ranks[name] = inputs[0].dim()

        return hook

    layers = [(name, layer) for name, layer in meta_model.named_modules() if isinstance(layer, nn.Linear)]
    handles = [layer.register_forward_pre_hook(record(name)) for name, layer in layers]
    with torch.inference_mode():
        meta_model(torch.empty((1, *image_shape(meta_model)), device="meta"))
    for handle in handles:
        handle.remove()
    return ranks


def call_all_linear_layers(model: nn.Module) -> None:
    """Let EVA's attention call its qkv layer and add the bias after it, instead of using the layer's weight.

    The sum is the same, but quantizers act when a layer is called.
    """
    for module in model.modules():
        if isinstance(module, EvaAttention):
            module.qkv_bias_separate = True
