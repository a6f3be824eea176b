"""Standard ONNX operators as torch functions, for graphs with static shapes.

Shapes, axes and indices are taken from the graph; what is computed takes any number of images, which are the
outermost dimension of every tensor: a reshape to ``(1, 197, 768)`` becomes one to ``(-1, 197, 768)``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from trtbench.errors import ExportError
from trtbench.export.onnx_source.inputs import integers_of, operands, shape_of
from trtbench.export.onnx_source.spatial import SPATIAL
from trtbench.export.passes.graph import constant

DOMAIN = "trtbench"
"""Of the operators that stand for what was found: ``Linear`` and ``SelfAttention``."""

Function = Callable[..., Any]


def function_of(node: ir.Node) -> Function:
    """Return what ``node`` computes of ``operands(node)``.

    Raises:
        ExportError: the operator, or a form of it, is not known.
    """
    make = _OPERATORS.get(node.op_type) if node.domain in ("", DOMAIN) else None
    if make is None:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise ExportError(f"operator {name} (node {node.name!r}) is not known; export the model without it")
    return make(node)


def _reshape(node: ir.Node) -> Function:
    target = shape_of(node.outputs[0])[1:]
    return lambda x: x.reshape(-1, *target)


def _transpose(node: ir.Node) -> Function:
    rank = len(shape_of(node.inputs[0]))
    order = list(node.attributes["perm"].as_ints()) if "perm" in node.attributes else list(range(rank))[::-1]
    return lambda x: x.permute(order)


def _expand(node: ir.Node) -> Function:
    source, target = shape_of(node.inputs[0]), shape_of(node.outputs[0])
    new = len(target) - len(source)
    kept = [-1 if before == after else after for before, after in zip(source, target[new:], strict=True)]
    return lambda x: x.expand([*target[:new], *kept])


def _concat(node: ir.Node) -> Function:
    """The class token may be a constant: it is repeated for every image."""
    axis = node.attributes["axis"].as_int()
    fixed = [constant(value) is not None for value in node.inputs]

    def concat(*parts: Tensor) -> Tensor:
        batch = next((part.shape[0] for part, is_fixed in zip(parts, fixed, strict=True) if not is_fixed), 1)
        return torch.cat(
            [
                part[:1].expand(batch, *part.shape[1:]) if is_fixed and axis else part
                for part, is_fixed in zip(parts, fixed, strict=True)
            ],
            dim=axis,
        )

    return concat


def _gather(node: ir.Node) -> Function:
    axis, indices = node.attributes.get_int("axis", 0), integers_of(node, 1) or []
    source = node.inputs[1]
    if source is not None and not shape_of(source):
        return lambda x: x.select(axis, indices[0])
    return lambda x: x.index_select(axis, torch.tensor(indices, device=x.device))


def _slice(node: ir.Node) -> Function:
    starts, ends = integers_of(node, 1, "starts") or [], integers_of(node, 2, "ends") or []
    axes = integers_of(node, 3, "axes") or list(range(len(starts)))
    steps = integers_of(node, 4) or [1] * len(starts)
    if min(steps) < 1:
        raise ExportError(f"Slice (node {node.name!r}) has steps {steps}, which are not positive")
    parts = [slice(None)] * len(shape_of(node.inputs[0]))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        parts[axis] = slice(start, end, step)
    return lambda x: x[tuple(parts)]


def _split(node: ir.Node) -> Function:
    axis = node.attributes.get_int("axis", 0)
    sizes = [shape_of(value)[axis] for value in node.outputs]
    return lambda x: x.split(sizes, axis)


def _squeeze(node: ir.Node) -> Function:
    axes = integers_of(node, 1, "axes")
    if axes is None:
        raise ExportError(f"Squeeze (node {node.name!r}) names no axes, and may drop that of the images")
    return lambda x: x.squeeze(tuple(axes))


def _unsqueeze(node: ir.Node) -> Function:
    rank = len(shape_of(node.outputs[0]))
    axes = sorted(axis % rank for axis in integers_of(node, 1, "axes") or [])

    def unsqueeze(x: Tensor) -> Tensor:
        for axis in axes:
            x = x.unsqueeze(axis)
        return x

    return unsqueeze


def _reduce(function: Function) -> Callable[[ir.Node], Function]:
    def make(node: ir.Node) -> Function:
        axes = integers_of(node, 1, "axes") or list(range(len(shape_of(node.inputs[0]))))
        keep = bool(node.attributes.get_int("keepdims", 1))
        return lambda x: function(x, dim=tuple(axes), keepdim=keep)

    return make


def _softmax(node: ir.Node) -> Function:
    axis = node.attributes.get_int("axis", -1)
    return lambda x: x.softmax(dim=axis)


def _linear(node: ir.Node) -> Function:
    weight, bias = linear_weights(node)
    return lambda x: functional.linear(x, weight, bias)


def linear_weights(node: ir.Node) -> tuple[Tensor, Tensor | None]:
    """Weight ``(N, K)`` and bias ``(N,)`` of a ``Linear`` node."""
    weights: tuple[Tensor, Tensor | None] = node.meta["weights"]
    return weights


def _layer_norm(node: ir.Node) -> Function:
    scale = shape_of(node.inputs[1])
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return lambda x, weight, bias=None: functional.layer_norm(x, scale, weight, bias, epsilon)


def _gelu(node: ir.Node) -> Function:
    approximate = node.attributes.get_string("approximate", "none")
    return lambda x: functional.gelu(x, approximate=approximate)


def _attention(node: ir.Node) -> Function:
    attributes = node.attributes
    if attributes.get_int("is_causal", 0) or len(node.outputs) > 1 or len(node.inputs) > 4:
        raise ExportError(f"Attention (node {node.name!r}) is causal or has a cache: expected one of a ViT")
    if attributes.get_float("softcap", 0.0):
        raise ExportError(f"Attention (node {node.name!r}) has a softcap, which is not known")
    heads = attributes.get_int("q_num_heads", 0)
    scale = attributes.get_float("scale", None)

    def attention(*parts: Tensor) -> Tensor:
        query, key, value = (_by_head(part, heads) for part in parts[:3])
        mask = parts[3] if len(parts) > 3 else None
        result = functional.scaled_dot_product_attention(query, key, value, mask, scale=scale)
        return result.transpose(1, 2).flatten(2) if heads else result

    return attention


def _by_head(part: Tensor, heads: int) -> Tensor:
    return part.reshape(*part.shape[:-1], heads, -1).transpose(1, 2) if heads else part


def _cast(node: ir.Node) -> Function:
    source = node.inputs[0]
    kind = ir.DataType(node.attributes["to"].as_int())
    if source is None or source.dtype is None or {source.dtype, kind} != {ir.DataType.FLOAT}:
        raise ExportError(f"Cast (node {node.name!r}) to {kind.name} of a tensor that is not constant")
    return lambda x: x


def _plain(function: Function) -> Callable[[ir.Node], Function]:
    return lambda _: function


def _power(x: Tensor, exponent: Tensor) -> Tensor:
    return x * x if bool(exponent == 2) else x**exponent


_OPERATORS: dict[str, Callable[[ir.Node], Function]] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(lambda x, y: x + y),
    "Attention": _attention,
    "Cast": _cast,
    "Concat": _concat,
    "Div": _plain(lambda x, y: x / y),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Flatten": _reshape,
    "Gather": _gather,
    "Gelu": _gelu,
    "HardSwish": _plain(functional.hardswish),
    "Identity": _plain(lambda x: x),
    "IsNaN": _plain(torch.isnan),
    "LayerNormalization": _layer_norm,
    "Linear": _linear,
    "MatMul": _plain(torch.matmul),
    "Mul": _plain(lambda x, y: x * y),
    "Neg": _plain(torch.neg),
    "Pow": _plain(_power),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceL2": _reduce(torch.linalg.vector_norm),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Sigmoid": _plain(torch.sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _plain(lambda x, y: x - y),
    "Tanh": _plain(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _plain(torch.where),
    **SPATIAL,
}


def evaluate(nodes: Sequence[ir.Node], feeds: dict[ir.Value, Tensor], wanted: ir.Value) -> Tensor:
    """Compute ``wanted`` from ``feeds`` and constants by ``nodes``, which are in order."""
    known = dict(feeds)

    def tensor(value: ir.Value) -> Tensor:
        numbers = constant(value)
        return known[value] if numbers is None else torch.tensor(numbers)

    for node in nodes:
        result = function_of(node)(*[tensor(value) for value in operands(node)])
        results = result if isinstance(result, tuple | list) else (result,)
        known.update(zip(node.outputs, results, strict=False))
    return known[wanted]
