"""FLOPs by role, counted on the torch model: a second opinion on what is counted in the ONNX graph."""

from collections import Counter
from copy import deepcopy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trtbench.export.linear_layers import call_all_linear_layers
from trtbench.export.model import image_shape
from trtbench.vit import role_of


def analytic_flops(meta_model: nn.Module, batch: int) -> dict[str, int]:
    """Count the matrix products and convolutions of one inference, 2 FLOPs for each multiplication.

    Both products of attention stand under ``attention``. Norms, activations and additions are not counted.

    Args:
        meta_model: a model on the device ``meta``, so that nothing is computed.
        batch: images of one inference.
    """
    counted = deepcopy(meta_model)
    call_all_linear_layers(counted)  # a product has the role of the layer whose weight it takes
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        counted(torch.empty((1, *image_shape(counted)), device="meta"))
    root = type(meta_model).__name__
    totals = {
        path: sum(counts.values()) for path, counts in counter.get_flop_counts().items() if path != "Global"
    }
    flops: Counter[str] = Counter()
    for path, total in totals.items():
        flops[role_of(path.removeprefix(f"{root}."))] += total * batch
        caller = _caller(path, totals)
        if caller is not None:
            flops[role_of(caller.removeprefix(f"{root}."))] -= total * batch
    return {role: count for role, count in sorted(flops.items()) if count}


def _caller(path: str, totals: dict[str, int]) -> str | None:
    """Innermost module around ``path`` that was itself called: a ModuleList never is."""
    while path := path.rpartition(".")[0]:
        if path in totals:
            return path
    return None
