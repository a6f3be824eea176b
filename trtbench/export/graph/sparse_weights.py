"""How much 2:4 structure the weights of an ONNX file have, whatever type they are stored in."""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

from trtbench.results import SparsityRecord

_GROUP = 4
_KEEPS_ZEROS = frozenset({"Cast", "QuantizeLinear", "DequantizeLinear", "TRT_MXFP8DequantizeLinear"})


def count_sparsity(model: onnx.ModelProto, method: str) -> SparsityRecord:
    """Count zeros, and groups of 4 weights along K with at least 2 of them, in all matrix products."""
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    zeros_by_weight: dict[str, NDArray[np.bool_]] = {}
    for node in graph.node:
        name, k_axis = _weight_of(node, producers)
        if name in initializers.keys() - zeros_by_weight.keys():
            values = numpy_helper.to_array(initializers[name])
            zeros_by_weight[name] = np.moveaxis(values == 0, k_axis, -1)
    groups = [_groups(zeros) for zeros in zeros_by_weight.values()]
    return SparsityRecord(
        method=method,
        layers=len(zeros_by_weight),
        weights=sum(zeros.size for zeros in zeros_by_weight.values()),
        zeros=sum(int(zeros.sum()) for zeros in zeros_by_weight.values()),
        groups=sum(group.size for group in groups),
        compliant_groups=sum(int((group >= 2).sum()) for group in groups),
    )


def _weight_of(node: NodeProto, producers: dict[str, NodeProto]) -> tuple[str, int]:
    """Name of the tensor that the second operand is made of, and its axis along K."""
    if node.op_type not in ("MatMul", "Gemm"):
        return "", 0
    trans_b = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
    name, k_axis = node.input[1], 1 if trans_b else 0
    while name in producers:
        producer = producers[name]
        if producer.op_type == "Transpose":
            k_axis = next(a.ints[k_axis] for a in producer.attribute if a.name == "perm")
        elif producer.op_type not in _KEEPS_ZEROS:
            return "", 0
        name = producer.input[0]
    return name, k_axis


def _groups(zeros: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Number of zeros in each group along the last axis; a last, shorter group is filled up with zeros."""
    padding = [(0, 0)] * (zeros.ndim - 1) + [(0, -zeros.shape[-1] % _GROUP)]
    padded = np.pad(zeros, padding, constant_values=True)
    counts: NDArray[np.int_] = padded.reshape(-1, _GROUP).sum(axis=-1)
    return counts
