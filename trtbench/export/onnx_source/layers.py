"""Linear layers, LayerNorm and GELU of a graph, whatever operators they are written in, as one node each."""

from collections.abc import Callable

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from trtbench.export.onnx_source.operators import DOMAIN, evaluate
from trtbench.export.passes.graph import constant, only_user, other_input, producer

_POINTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Erf", "Tanh", "Sigmoid", "Neg"})
_GELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": functional.gelu,
    "tanh": lambda x: functional.gelu(x, approximate="tanh"),
}
_GRID = (-8.0, 8.0, 1001)
_TOLERANCE = 1e-5


def find_layers(graph: ir.Graph) -> None:
    """Put one node in the place of every Linear layer, LayerNorm and GELU."""
    for node in list(graph):
        if node.op_type == "MatMul":
            _find_product(graph, node)
        elif node.op_type == "Gemm":
            _find_gemm(graph, node)
        elif node.op_type == "ReduceMean":
            _find_layer_norm(graph, node)
        elif node.op_type in ("Erf", "Tanh"):
            _find_gelu(graph, node)


def replace(graph: ir.Graph, old: ir.Value, node: ir.Node) -> None:
    """Let ``node`` compute ``old``, under its name."""
    new, name, behind = node.outputs[0], old.name, old.producer()
    new.shape, new.type = old.shape, old.type
    if behind is None:
        raise ValueError(f"{name} is not computed")
    graph.insert_after(behind, node)
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    old.name, new.name = f"{name}/replaced", name
    node.name = behind.name


def _find_product(graph: ir.Graph, product: ir.Node) -> None:
    weight = constant(product.inputs[1])
    if weight is None or weight.ndim != 2 or constant(product.inputs[0]) is not None:
        return
    result, bias = product.outputs[0], None
    add = only_user(result, "Add")
    if add is not None:
        bias = constant(other_input(add, result))
        if bias is not None and bias.size == weight.shape[1] == bias.shape[-1]:
            result = add.outputs[0]
        else:
            bias = None
    weights = torch.tensor(weight.T), None if bias is None else torch.tensor(bias.reshape(-1))
    _replace_linear(graph, result, product.inputs[0], weights)


def _find_gemm(graph: ir.Graph, gemm: ir.Node) -> None:
    weight, attributes = constant(gemm.inputs[1]), gemm.attributes
    bias = constant(gemm.inputs[2]) if len(gemm.inputs) > 2 else None
    factors = {attributes.get_float("alpha", 1.0), attributes.get_float("beta", 1.0)}
    if weight is None or attributes.get_int("transA", 0) != 0 or factors != {1.0}:
        return
    if bias is not None and bias.size != bias.shape[-1]:
        return
    wide = torch.tensor(weight if attributes.get_int("transB", 0) else weight.T)
    flat = None if bias is None else torch.tensor(bias).reshape(-1).expand(len(wide)).contiguous()
    _replace_linear(graph, gemm.outputs[0], gemm.inputs[0], (wide, flat))


def _replace_linear(
    graph: ir.Graph, result: ir.Value, x: ir.Value | None, weights: tuple[Tensor, Tensor | None]
) -> None:
    node = ir.node("Linear", [x], domain=DOMAIN)
    node.meta["weights"] = weights
    replace(graph, result, node)


def _find_layer_norm(graph: ir.Graph, mean: ir.Node) -> None:
    """``(x - mean) / sqrt(mean((x - mean)**2) + epsilon) * weight + bias``, as written before opset 17."""
    x = mean.inputs[0]
    centre = next((user for user in mean.outputs[0].consumers() if user.op_type == "Sub"), None)
    if x is None or centre is None or centre.inputs[0] is not x:
        return
    division = next((user for user in centre.outputs[0].consumers() if user.op_type == "Div"), None)
    epsilon = None if division is None else _epsilon(division.inputs[1], centre.outputs[0])
    if division is None or epsilon is None:
        return
    parts = [(division.outputs[0], "Mul")]
    values = []
    for kind in ("Mul", "Add"):
        user = only_user(parts[-1][0], kind)
        operand = None if user is None else other_input(user, parts[-1][0])
        numbers = constant(operand)
        if user is None or numbers is None or numbers.ndim != 1:
            break
        values.append(operand)
        parts.append((user.outputs[0], kind))
    if values:
        node = ir.node("LayerNormalization", [x, *values], attributes={"axis": -1, "epsilon": epsilon})
        replace(graph, parts[-1][0], node)


def _epsilon(deviation: ir.Value | None, centred: ir.Value) -> float | None:
    """Epsilon of ``sqrt(mean(centred**2) + epsilon)``."""
    root = producer(deviation, "Sqrt")
    add = root and producer(root.inputs[0], "Add")
    if add is None:
        return None
    for variance, operand in (add.inputs, reversed(add.inputs)):
        mean, numbers = producer(variance, "ReduceMean"), constant(operand)
        square = mean and producer(mean.inputs[0], "Pow", "Mul")
        if square is not None and square.inputs[0] is centred and numbers is not None and numbers.size == 1:
            return float(numbers.item())
    return None


def _find_gelu(graph: ir.Graph, anchor: ir.Node) -> None:
    """Judge a function of single numbers by its values, however its operators are arranged."""
    source = _pointwise_source(anchor)
    region = [] if source is None else _pointwise_region(graph, source)
    inner = {value for node in region for value in node.outputs}
    ends = [
        value
        for value in inner
        if value.is_graph_output() or any(user not in region for user in value.consumers())
    ]
    if source is None or len(ends) != 1 or anchor not in region:
        return
    x = torch.linspace(*_GRID)
    found = evaluate(region, {source: x}, ends[0])
    for approximate, gelu in _GELUS.items():
        if found.shape == x.shape and torch.allclose(found, gelu(x), atol=_TOLERANCE):
            replace(graph, ends[0], ir.node("Gelu", [source], attributes={"approximate": approximate}))


def _pointwise_source(node: ir.Node) -> ir.Value | None:
    """The tensor in front of all operators on single numbers that ``node`` follows."""
    value = node.inputs[0]
    while value is not None and (before := producer(value, *_POINTWISE)) is not None:
        moving = [operand for operand in before.inputs if operand is not None and not _is_scalar(operand)]
        if not moving or any(constant(operand) is not None for operand in moving):
            break
        value = moving[0]
    return value


def _pointwise_region(graph: ir.Graph, source: ir.Value) -> list[ir.Node]:
    """Operators on single numbers that read nothing but ``source`` and scalars, in order."""
    known = {source}
    region = []
    for node in graph:
        if node.op_type not in _POINTWISE:
            continue
        moving = [value for value in node.inputs if value is not None and not _is_scalar(value)]
        if moving and known.issuperset(moving):
            region.append(node)
            known.update(node.outputs)
    return region


def _is_scalar(value: ir.Value) -> bool:
    numbers = constant(value)
    return numbers is not None and numbers.size == 1


def between(start: ir.Value, end: ir.Value) -> list[ir.Node] | None:
    """Nodes that compute ``end`` from ``start`` and constants, unordered; None if it needs more."""
    nodes: dict[ir.Node, None] = {}
    waiting = [end]
    while waiting:
        value = waiting.pop()
        if value is start or constant(value) is not None:
            continue
        node = value.producer()
        if node is None:
            return None
        if node not in nodes:
            nodes[node] = None
            waiting += [operand for operand in node.inputs if operand is not None]
    return list(nodes)
