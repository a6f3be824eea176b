"""A deep engine from a shallow one: its middle block, repeated.

Kernels of a block do not depend on how many blocks there are; what stays in L2 between them does. So the
layers are written out at full depth, and the cost model sees an engine with all its weights.
"""

from collections.abc import Sequence

from trtbench.errors import BuildError
from trtbench.results import AuditedLayer, LayerTensor

PROBE_DEPTH = 3
"""Blocks of the engine that is built: the first, the last, and one between that is like all others."""
_MIDDLE = 1


def deepened(layers: Sequence[AuditedLayer], more: int) -> tuple[AuditedLayer, ...]:
    """The layers of an engine with ``more`` copies of its middle block, each with its own tensors.

    Args:
        layers: of an engine with ``PROBE_DEPTH`` blocks, in execution order.
        more: blocks to add; 0 leaves the layers as they are.

    Raises:
        BuildError: no layer is the middle block's own.
    """
    if not more:
        return tuple(layers)
    block = _block(layers, _MIDDLE)
    if not block:
        raise BuildError(
            f"no compiled layer belongs to block {_MIDDLE} alone, so its time cannot be extrapolated to "
            "more blocks"
        )
    end = max(index for index, layer in enumerate(layers) if layer.block == _MIDDLE) + 1
    entering = _entering(block, _block(layers, _MIDDLE + 1))
    copies: list[AuditedLayer] = []
    names = {tensor.name: tensor.name for layer in layers for tensor in layer.outputs}
    for copy in range(more):
        names = _names_of_copy(block, entering, names, copy)
        copies += [_renamed(layer, names, copy) for layer in block]
    # What came out of the middle block now comes out of its last copy.
    last = {name: names[name] for layer in block for name in _outputs(layer)}
    return (*layers[:end], *copies, *(_reading(layer, last) for layer in layers[end:]))


def _block(layers: Sequence[AuditedLayer], number: int) -> list[AuditedLayer]:
    return [layer for layer in layers if layer.block == number]


def _entering(block: Sequence[AuditedLayer], following: Sequence[AuditedLayer]) -> dict[str, str]:
    """Tensors that enter a block, with those that enter the next in their place."""
    own = {name for layer in block for name in _outputs(layer)}
    pairs = {}
    for layer, same in zip(block, following, strict=False):
        for tensor, other in zip(layer.inputs, same.inputs, strict=False):
            if tensor.name not in own and other.name in own:
                pairs[tensor.name] = other.name
    return pairs


def _names_of_copy(
    block: Sequence[AuditedLayer], entering: dict[str, str], before: dict[str, str], copy: int
) -> dict[str, str]:
    """What the tensors of the block are called in a copy; ``before``: in the block before it."""
    entered = {name: before.get(left, left) for name, left in entering.items()}
    made = {name: f"{name} in copy {copy}" for layer in block for name in _outputs(layer)}
    return {**before, **entered, **made}


def _outputs(layer: AuditedLayer) -> list[str]:
    return [tensor.name for tensor in layer.outputs]


def _renamed(layer: AuditedLayer, names: dict[str, str], copy: int) -> AuditedLayer:
    constants = {tensor.name: f"{tensor.name} in copy {copy}" for tensor in layer.constants}
    return layer.model_copy(
        update={
            "inputs": _with_names(layer.inputs, names),
            "constants": _with_names(layer.constants, constants),
            "outputs": _with_names(layer.outputs, names),
        }
    )


def _reading(layer: AuditedLayer, names: dict[str, str]) -> AuditedLayer:
    return layer.model_copy(update={"inputs": _with_names(layer.inputs, names)})


def _with_names(tensors: Sequence[LayerTensor], names: dict[str, str]) -> tuple[LayerTensor, ...]:
    return tuple(each.model_copy(update={"name": names.get(each.name, each.name)}) for each in tensors)
