"""2:4 sparse weights with ModelOpt, before anything is quantised."""

from collections.abc import Iterable

import modelopt.torch.sparsity as mts
import torch
from torch import Tensor, nn

from trtbench.specs import SparsityMethod


def sparsify(
    model: nn.Module, method: SparsityMethod, images: Iterable[Tensor] | None
) -> tuple[nn.Module, tuple[str, ...]]:
    """Set two of every four weights along K to zero in the Linear layers.

    Args:
        model: in float32.
        method: ``sparse_magnitude`` decides by the weights alone, ``sparsegpt`` also by what they multiply.
        images: batches ``(B, C, H, W)`` for ``sparsegpt``.

    Returns:
        The model with the zeros in its weights, and a note for each Linear layer that ModelOpt leaves dense.
    """

    def forward_loop(calibrated: nn.Module) -> None:
        if images is not None:
            with torch.inference_mode():
                for batch in images:
                    calibrated(batch)

    rules: dict[str, dict[str, object] | None] = {"nn.Linear": {"*": {}}, "nn.Conv2d": None}
    sparse: nn.Module = mts.sparsify(model, [(method, rules)], {"forward_loop": forward_loop})
    sparse = mts.export(sparse)  # from masks to zeros
    notes = [
        f"{name}: left dense: ModelOpt's {method} does not prune a weight of {tuple(layer.weight.shape)}"
        for name, layer in sparse.named_modules()
        if isinstance(layer, nn.Linear) and not _is_2_to_4(layer.weight)
    ]
    return sparse, tuple(notes)


def _is_2_to_4(weight: Tensor) -> bool:
    rows, columns = weight.shape
    return columns % 4 == 0 and int(weight.view(rows, -1, 4).count_nonzero(-1).max()) <= 2
