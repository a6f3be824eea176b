"""Self-attention of a graph as one node each, with fused or separate products, however heads are moved."""

from collections.abc import Collection
from dataclasses import dataclass

import onnx_ir as ir
import torch
from timm.layers import Attention
from torch import Tensor

from trtbench.export.onnx_source.inputs import shape_of
from trtbench.export.onnx_source.layers import between, replace
from trtbench.export.onnx_source.operators import DOMAIN, evaluate, linear_weights
from trtbench.export.passes.graph import constant, only_user, producer

_LAYOUT = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast", "Concat")
_TOLERANCE = 1e-4
_TOKENS_RANK, _HEADS_RANK = 3, 4


@dataclass(frozen=True)
class Core:
    """Where Q, K and V meet, and what comes out; ``heads`` for the whole batch."""

    node: ir.Node
    query: ir.Value
    key: ir.Value
    value: ir.Value
    result: ir.Value
    heads: int


def find_cores(graph: ir.Graph) -> list[Core]:
    """Every attention, in order."""
    found = (_core(node) for node in graph)
    return [core for core in found if core is not None]


def find_self_attention(graph: ir.Graph, batch: int) -> None:
    """Put a node in the place of all from the tokens to the projection, where its numbers are the same."""
    for core in find_cores(graph):
        found = _self_attention(graph, core, batch)
        if found is not None:
            module, tokens, result = found
            node = ir.node("SelfAttention", [tokens], domain=DOMAIN)
            node.meta["module"] = module
            replace(graph, result, node)


def find_attention(graph: ir.Graph) -> None:
    """Put one node in the place of each product, softmax and product that no self-attention holds."""
    for core in find_cores(graph):
        scale = _scale(core.node.inputs[0]) if core.node.op_type == "Softmax" else None
        if scale is None or len(shape_of(core.query)) != _HEADS_RANK:
            continue
        key = ir.node("Transpose", [core.key], attributes={"perm": [0, 1, 3, 2]})
        key.outputs[0].name = f"{core.key.name}/transposed"
        node = ir.node("Attention", [core.query, key.outputs[0], core.value], attributes={"scale": scale})
        replace(graph, core.result, node)
        graph.insert_before(node, key)


def _scale(scores: ir.Value | None) -> float | None:
    """What the product of Q and K is multiplied by; None if anything else is done to it."""
    factor = 1.0
    while producer(scores, "MatMul") is None:
        node = producer(scores, "Mul", "Div")
        number = None if node is None else constant(node.inputs[1])
        if node is None or number is None or number.size != 1:
            return None
        factor *= float(number.item()) if node.op_type == "Mul" else 1 / float(number.item())
        scores = node.inputs[0]
    return factor


def _core(node: ir.Node) -> Core | None:
    if node.op_type == "Attention":
        query, key, value = node.inputs[:3]
        heads = node.attributes.get_int("q_num_heads", 0) or (shape_of(query)[1])
        if query is not None and key is not None and value is not None:
            return Core(node, query, key, value, node.outputs[0], heads)
    if node.op_type != "Softmax":
        return None
    scores, weighted = _product_before(node.inputs[0]), _product_behind(node.outputs[0])
    if scores is None or weighted is None:
        return None
    query, key, value = scores.inputs[0], scores.inputs[1], weighted.inputs[1]
    heads = 1
    for dim in shape_of(node.outputs[0])[:-2]:
        heads *= dim
    if query is None or key is None or value is None:
        return None
    return Core(node, query, key, value, weighted.outputs[0], heads)


def _product_before(value: ir.Value | None) -> ir.Node | None:
    """The product of Q and K, with scale and mask behind it."""
    while value is not None:
        product = producer(value, "MatMul")
        if product is not None:
            return product
        node = producer(value, "Mul", "Div", "Add", "Where", "Cast", "Reshape")
        moving = [] if node is None else [each for each in node.inputs if each and constant(each) is None]
        value = moving[-1] if moving else None
    return None


def _product_behind(value: ir.Value) -> ir.Node | None:
    """The product with V, behind what replaces rows without any score."""
    for user in value.consumers():
        if user.op_type == "MatMul" and user.inputs[0] is value:
            return user
        if user.op_type in ("Where", "Cast", "Identity", "Reshape"):
            return _product_behind(user.outputs[0])
    return None


def linears_before(value: ir.Value) -> list[ir.Node]:
    """The nearest Linear layers that ``value`` is computed from."""
    found: dict[ir.Node, None] = {}
    waiting, seen = [value], set()
    while waiting:
        node = waiting.pop().producer()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.op_type == "Linear":
            found[node] = None
        else:
            waiting += [each for each in node.inputs if each is not None]
    return list(found)


def _self_attention(graph: ir.Graph, core: Core, batch: int) -> tuple[Attention, ir.Value, ir.Value] | None:
    """Timm's module, the tokens it reads, and what it gives; None if it would compute something else."""
    sources = [linears_before(value) for value in (core.query, core.key, core.value)]
    projection = _projection(core.result)
    if projection is None or any(len(source) != 1 for source in sources) or core.heads % batch:
        return None
    parts = [source[0] for source in sources]
    tokens = {_tokens(part) for part in parts}
    if len(tokens) != 1:
        return None
    (x,), result = tokens, _behind_layout(projection.outputs[0])
    weights = _fused(parts)
    region = between(x, result)
    shape = shape_of(x)
    if weights is None or region is None or _leaks(region, result):
        return None
    if len(shape) != _TOKENS_RANK or shape[0] != batch:
        return None
    module = _module(weights, linear_weights(projection), core.heads // batch)
    if module is None or not _is_same(graph, region, module, x, result):
        return None
    return module, x, result


def _projection(value: ir.Value) -> ir.Node | None:
    while (user := only_user(value, "Linear", *_LAYOUT)) is not None:
        if user.op_type == "Linear":
            return user
        value = user.outputs[0]
    return None


def _tokens(linear: ir.Node) -> ir.Value:
    """The input of a Linear layer before its dimensions were arranged for it."""
    value = linear.inputs[0]
    while (node := producer(value, *_LAYOUT[:-1])) is not None and node.inputs[0] is not None:
        value = node.inputs[0]
    if value is None:
        raise ValueError(f"{linear.name} has no input")
    return value


def _behind_layout(value: ir.Value) -> ir.Value:
    """The result with its dimensions arranged as they go on."""
    while (user := only_user(value, *_LAYOUT[:-1])) is not None:
        value = user.outputs[0]
    return value


def _fused(parts: list[ir.Node]) -> tuple[Tensor, Tensor | None] | None:
    """Weight ``(3 C, K)`` and bias of Q, K and V together."""
    if len(set(parts)) == 1:
        return linear_weights(parts[0])
    if len(set(parts)) != len(parts) or len({linear_weights(part)[0].shape for part in parts}) != 1:
        return None
    weights = [linear_weights(part) for part in parts]
    biases = [torch.zeros(len(weight)) if bias is None else bias for weight, bias in weights]
    has_bias = any(bias is not None for _, bias in weights)
    return torch.cat([weight for weight, _ in weights]), torch.cat(biases) if has_bias else None


def _leaks(region: Collection[ir.Node], result: ir.Value) -> bool:
    """Whether anything in the region but its result is read outside."""
    nodes = set(region)
    values = [value for node in nodes for value in node.outputs if value is not result]
    return any(value.is_graph_output() or set(value.consumers()) - nodes for value in values)


def _module(
    qkv: tuple[Tensor, Tensor | None], projection: tuple[Tensor, Tensor | None], heads: int
) -> Attention | None:
    (weight, bias), (out_weight, out_bias) = qkv, projection
    inner = out_weight.shape[1]
    if len(weight) != 3 * inner or inner % heads:
        return None
    module = Attention(
        weight.shape[1],
        heads,
        attn_head_dim=inner // heads,
        dim_out=len(out_weight),
        qkv_bias=bias is not None,
        proj_bias=out_bias is not None,
    )
    state = {"qkv.weight": weight, "proj.weight": out_weight, "qkv.bias": bias, "proj.bias": out_bias}
    module.load_state_dict({name: tensor for name, tensor in state.items() if tensor is not None})
    return module.eval()


def _is_same(
    graph: ir.Graph, region: Collection[ir.Node], module: Attention, x: ir.Value, result: ir.Value
) -> bool:
    """Whether the module computes what the graph does, of random tokens."""
    nodes = set(region)
    ordered = [node for node in graph if node in nodes]
    tokens = torch.randn(shape_of(x), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, found = evaluate(ordered, {x: tokens}, result), module(tokens)
    return wanted.shape == found.shape and bool((wanted - found).norm() <= _TOLERANCE * wanted.norm())
