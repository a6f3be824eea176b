"""The layers of an engine at another batch: the same kernels, their rows scaled.

A compiler may choose others at that batch; this is what the ones that it chose would take.
"""

import math
from fractions import Fraction

from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.results import AuditedLayer, LayerTensor


def at_batch(layers: tuple[AuditedLayer, ...], batch: int, other: int) -> tuple[AuditedLayer, ...]:
    """Layers that were compiled at ``batch``, with the sizes that they have at ``other``.

    What is computed from constants alone, such as weights that are dequantised, keeps its size.
    """
    fixed: set[str] = set()
    scaled = []
    for layer in layers:
        if all(tensor.name in fixed for tensor in layer.inputs):
            fixed.update(tensor.name for tensor in layer.outputs)
            scaled.append(layer)
        else:
            scaled.append(_scaled(layer, fixed, batch, other))
    return tuple(scaled)


def _scaled(layer: AuditedLayer, fixed: set[str], batch: int, other: int) -> AuditedLayer:
    ratio = Fraction(other, batch)
    inputs = tuple(each if each.name in fixed else _tensor(each, batch, ratio) for each in layer.inputs)
    outputs = tuple(_tensor(each, batch, ratio) for each in layer.outputs)
    return layer.model_copy(
        update={
            "m": layer.m and math.ceil(layer.m * ratio),
            "flops": math.ceil(layer.flops * ratio),
            "inputs": inputs,
            "outputs": outputs,
            "bytes": sum(map(tensor_bytes, (*inputs, *layer.constants, *outputs))),
        }
    )


def _tensor(tensor: LayerTensor, batch: int, ratio: Fraction) -> LayerTensor:
    """Scale the first dimension that holds the batch; where none does, as in swizzled scales, the first."""
    dimensions = list(tensor.dimensions)
    place = next((index for index, size in enumerate(dimensions) if size % batch == 0), 0)
    dimensions[place] = math.ceil(dimensions[place] * ratio)
    return tensor.model_copy(update={"dimensions": tuple(dimensions)})
