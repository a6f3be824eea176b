"""Which tensors of an engine are still in L2 when a kernel reads them.

Kernels run one after the other, and inferences too. Between two uses of a tensor lie half of the traffic of
either kernel and all tensors that the kernels between them touch; see ``memory`` for what that means.
"""

from collections.abc import Callable

from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.results import AuditedLayer


def dram_traffic(
    layers: tuple[AuditedLayer, ...], miss_share: Callable[[float], float], forgotten_bytes: float
) -> list[float]:
    """Bytes that each layer moves between L2 and DRAM.

    A tensor that is gone when it is read was also written to DRAM, by the kernel that made it.

    Args:
        layers: in execution order.
        miss_share: share of a tensor that is gone after so many bytes of other traffic.
        forgotten_bytes: traffic after which everything is gone.
    """
    touched = [_touched(layer) for layer in layers]
    traffic = [0.0] * len(layers)
    written: dict[tuple[int, str], float] = {}
    for index, layer in enumerate(layers):
        for tensor in (*layer.inputs, *layer.constants):
            maker, distance = _last_use(touched, index, tensor.name, forgotten_bytes)
            missed = miss_share(distance) * tensor_bytes(tensor)
            traffic[index] += missed
            if maker is not None and any(out.name == tensor.name for out in layers[maker].outputs):
                key = (maker, tensor.name)
                written[key] = max(written.get(key, 0.0), missed)
    for (maker, _), missed in written.items():
        traffic[maker] += missed
    return traffic


def _touched(layer: AuditedLayer) -> dict[str, int]:
    """Bytes of every tensor of a layer, by name."""
    return {tensor.name: tensor_bytes(tensor) for tensor in (*layer.inputs, *layer.constants, *layer.outputs)}


def _last_use(
    touched: list[dict[str, int]], index: int, name: str, forgotten_bytes: float
) -> tuple[int | None, float]:
    """Layer that touched a tensor last, and the traffic since; None if so much that nothing is left of it."""
    distance = sum(touched[index].values()) / 2
    between: dict[str, int] = {}
    for step in range(1, len(touched) + 1):
        layer = (index - step) % len(touched)
        if name in touched[layer]:
            return layer, distance + sum(between.values()) + sum(touched[layer].values()) / 2
        between.update(touched[layer])
        if distance + sum(between.values()) > forgotten_bytes:
            break
    return _maker(touched, index, name), float("inf")


def _maker(touched: list[dict[str, int]], index: int, name: str) -> int | None:
    """The layer before ``index`` that touched a tensor last, in the same inference."""
    return next((layer for layer in range(index - 1, -1, -1) if name in touched[layer]), None)
