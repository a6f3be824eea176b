"""Which tensors of an engine are still in L2 when a kernel reads them.

Kernels run one after the other, and inferences too. Between two uses of a tensor lie half of the traffic of
either kernel and all tensors that the kernels between them touch; see ``memory`` for what that means.
"""

from collections.abc import Callable

import numpy as np

from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.predict.arrays import Array
from trtbench.results import AuditedLayer


def dram_traffic(
    layers: tuple[AuditedLayer, ...], miss_share: Callable[[Array], Array], forgotten_bytes: float
) -> Array:
    """Bytes that each layer moves between L2 and DRAM.

    A tensor that is gone when it is read was also written to DRAM, by the kernel that made it.

    Args:
        layers: in execution order.
        miss_share: shares of tensors that are gone after so many bytes of other traffic.
        forgotten_bytes: traffic after which everything is gone.
    """
    touched = [_touched(layer) for layer in layers]
    reads: list[tuple[int, str, int | None]] = []
    made: dict[str, int] = {}
    for index, layer in enumerate(layers):
        reads += [(index, each.name, made.get(each.name)) for each in (*layer.inputs, *layer.constants)]
        made.update((each.name, index) for each in layer.outputs)
    distances = np.array([_distance(touched, index, name, forgotten_bytes) for index, name, _ in reads])
    missed = miss_share(distances) * np.array([touched[index][name] for index, name, _ in reads])
    traffic = np.zeros(len(layers))
    written: dict[tuple[int, str], float] = {}
    for (index, name, maker), gone in zip(reads, missed, strict=True):
        traffic[index] += gone
        if maker is not None:
            written[maker, name] = max(written.get((maker, name), 0.0), gone)
    for (maker, _), gone in written.items():
        traffic[maker] += gone
    return traffic


def _touched(layer: AuditedLayer) -> dict[str, int]:
    """Bytes of every tensor of a layer, by name."""
    return {tensor.name: tensor_bytes(tensor) for tensor in (*layer.inputs, *layer.constants, *layer.outputs)}


def _distance(touched: list[dict[str, int]], index: int, name: str, forgotten_bytes: float) -> float:
    """Traffic since a tensor was touched, maybe by the inference before; infinite if all is forgotten."""
    distance = sum(touched[index].values()) / 2
    between: set[str] = set()
    for step in range(1, len(touched) + 1):
        layer = touched[(index - step) % len(touched)]
        if name in layer:
            return distance + sum(layer.values()) / 2
        distance += sum(size for other, size in layer.items() if other not in between)
        between.update(layer)
        if distance > forgotten_bytes:
            break
    return float("inf")
