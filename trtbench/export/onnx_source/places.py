"""Where the blocks of a graph begin and end, and which module of a ViT each node belongs to."""

from collections.abc import Sequence
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from trtbench.export.onnx_source.attention import find_cores, linears_before
from trtbench.export.passes.graph import constant, static_shape
from trtbench.vit import block_of

_QKV = {1: ("qkv",), 3: ("q", "k", "v")}
_POOL = {2: ("q", "kv"), **_QKV}
_MLP = {1: ("fc1",), 2: ("fc1", "fc2"), 3: ("fc1_g", "fc1_x", "fc2")}


@dataclass(frozen=True)
class _Cut:
    """A tensor through which all goes that is computed later; ``position`` of the node that gives it."""

    position: int
    value: ir.Value


def module_paths(graph: ir.Graph) -> dict[ir.Node, str]:
    """Path of the module that each node is, or belongs to: ``blocks.0.attn``; empty for the model itself."""
    nodes = list(graph)
    position = {node: index for index, node in enumerate(nodes)}
    attentions = [position[node] for node in nodes if node.op_type == "SelfAttention"]
    others = [position[core.node] for core in find_cores(graph)]
    self_attended = sorted(attentions + [each for each in others if _is_of_tokens(graph, nodes[each])])
    bounds = _block_bounds(graph, nodes, self_attended, others)
    paths: dict[ir.Node, str] = {}
    if not bounds:
        return _named_outside(nodes, "", others)
    for number, (start, end) in enumerate(bounds):
        paths |= _named_block(nodes[start:end], f"blocks.{number}.")
    paths |= _named_outside(nodes[: bounds[0][0]], "_pre", [])
    paths |= _named_outside(nodes[bounds[-1][1] :], "", [each for each in others if each >= bounds[-1][1]])
    return paths


def _is_of_tokens(graph: ir.Graph, node: ir.Node) -> bool:
    """Whether Q of an attention comes from the images, as that of a pooling head does not."""
    core = next(core for core in find_cores(graph) if core.node is node)
    return bool(linears_before(core.query))


def _block_bounds(
    graph: ir.Graph, nodes: Sequence[ir.Node], attentions: Sequence[int], cores: Sequence[int]
) -> list[tuple[int, int]]:
    """First node of each block, and the first behind it."""
    cuts = _cuts(graph, nodes)
    starts: list[_Cut] = []
    for attention in attentions:
        before = [cut for cut in cuts if cut.position < attention]
        if not before or (starts and before[-1].position == starts[-1].position):
            return []
        starts.append(before[-1])
    if not starts:
        return []
    limit = min((core for core in cores if core > attentions[-1]), default=len(nodes))
    stream = static_shape(starts[-1].value)
    sums = [
        cut.position
        for cut in cuts
        if attentions[-1] < cut.position < limit
        and _is_residual(nodes[cut.position])
        and static_shape(cut.value) == stream
    ]
    if not sums:
        return []
    ends = [start.position + 1 for start in starts[1:]] + [sums[-1] + 1]
    return [(start.position + 1, end) for start, end in zip(starts, ends, strict=True)]


def _is_residual(node: ir.Node) -> bool:
    return node.op_type == "Add" and all(constant(value) is None for value in node.inputs)


def _cuts(graph: ir.Graph, nodes: Sequence[ir.Node]) -> list[_Cut]:
    last_use: dict[ir.Value, int] = {}
    for index, node in enumerate(nodes):
        for value in node.inputs:
            if value is not None and constant(value) is None:
                last_use[value] = index
    last_use |= dict.fromkeys(graph.outputs, len(nodes))
    live: set[ir.Value] = set(graph.inputs)
    cuts = []
    for index, node in enumerate(nodes):
        live = {value for value in (*live, *node.outputs) if last_use.get(value, -1) > index}
        if len(live) == 1 and node.outputs[0] in live:
            cuts.append(_Cut(index, node.outputs[0]))
    return cuts


def _named_block(nodes: Sequence[ir.Node], block: str) -> dict[ir.Node, str]:
    paths = {node: block.rstrip(".") for node in nodes}
    linears = [node for node in nodes if node.op_type == "Linear"]
    cores = [node for node in nodes if node.op_type in ("Softmax", "Attention")]
    attended = _named_attention(nodes, linears, cores[0], block) if cores else {}
    paths |= attended
    mlp = [node for node in linears if node not in attended]
    paths |= _named_mlp(nodes, mlp, f"{block}mlp.")
    norms = [node for node in nodes if node.op_type == "LayerNormalization" and node not in attended]
    paths |= {node: f"{block}norm{number}" for number, node in enumerate(norms, 1)}
    paths |= {node: f"{block}attn" for node in nodes if node.op_type == "SelfAttention"}
    return paths


def _named_attention(
    nodes: Sequence[ir.Node], linears: Sequence[ir.Node], core: ir.Node, block: str
) -> dict[ir.Node, str]:
    """Name an attention that stayed in operators: its products, and all between the first and the last."""
    order = list(nodes)
    before = [node for node in linears if order.index(node) < order.index(core)]
    behind = [node for node in linears if node not in before][:1]
    names = _QKV.get(len(before), tuple(f"q{index}" for index in range(len(before))))
    if not before or not behind:
        return {}
    inside = order[order.index(before[0]) : order.index(behind[0])]
    return {
        **dict.fromkeys(inside, f"{block}attn"),
        **{node: f"{block}attn.{name}" for node, name in zip(before, names, strict=True)},
        behind[0]: f"{block}attn.proj",
    }


def _named_mlp(nodes: Sequence[ir.Node], linears: Sequence[ir.Node], path: str) -> dict[ir.Node, str]:
    """Name the products of an MLP, and all between them as its activation."""
    if not linears:
        return {}
    order = list(nodes)
    inside = order[order.index(linears[0]) : order.index(linears[-1])]
    names = _MLP.get(len(linears), tuple(f"fc{index}" for index in range(1, len(linears) + 1)))
    return {
        **dict.fromkeys(inside, f"{path}act"),
        **{node: path + name for node, name in zip(linears, names, strict=True)},
    }


def _named_outside(nodes: Sequence[ir.Node], norm_suffix: str, cores: Sequence[int]) -> dict[ir.Node, str]:
    """Name what is in front of the blocks (``_pre``) or behind them."""
    paths = dict.fromkeys(nodes, "")
    linears = [node for node in nodes if node.op_type == "Linear"]
    norms = [node for node in nodes if node.op_type == "LayerNormalization"]
    paths |= _numbered(norms, f"norm{norm_suffix}")
    if norm_suffix:
        paths |= {node: "patch_embed.proj" for node in nodes if node.op_type == "Conv"}
        return paths | _numbered(linears, "patch_embed.proj")
    core = next((node for node in nodes if cores and node.op_type in ("Softmax", "Attention")), None)
    if core is not None:
        pooled = _named_pool(nodes, linears, core)
        paths |= pooled
        linears = [node for node in linears if node not in pooled]
    return paths | _numbered(linears, "head")


def _named_pool(nodes: Sequence[ir.Node], linears: Sequence[ir.Node], core: ir.Node) -> dict[ir.Node, str]:
    """Name the attention and the MLP of a head that pools tokens."""
    order = list(nodes)
    before = [node for node in linears if order.index(node) < order.index(core)]
    behind = [node for node in linears if node not in before]
    names = _POOL.get(len(before), tuple(f"q{index}" for index in range(len(before))))
    mlp = behind[1:3] if len(behind) > 2 else []
    pooled = [*before, *behind[:1], *mlp]
    inside = order[order.index(pooled[0]) : order.index(pooled[-1]) + 1]
    norms = [node for node in inside if node.op_type == "LayerNormalization"]
    return {
        **dict.fromkeys(inside, "attn_pool"),
        **dict.fromkeys(norms, "attn_pool.norm"),
        **{node: f"attn_pool.{name}" for node, name in zip(before, names, strict=True)},
        **dict.fromkeys(behind[:1], "attn_pool.proj"),
        **_named_mlp(nodes, mlp, "attn_pool.mlp."),
    }


def _numbered(nodes: Sequence[ir.Node], name: str) -> dict[ir.Node, str]:
    if len(nodes) == 1:
        return {nodes[0]: name}
    return {node: f"{name}.{number}" for number, node in enumerate(nodes)}


def block_tensors(graph: ir.Graph, paths: dict[ir.Node, str]) -> list[tuple[str, str]]:
    """Names of the tensor that enters each block, and of the one that leaves it."""
    blocks: dict[int, list[ir.Node]] = {}
    for node in graph:
        number = block_of(paths[node])
        if number is not None:
            blocks.setdefault(number, []).append(node)
    tensors = []
    for nodes in blocks.values():
        entering = nodes[0].inputs[0]
        tensors.append((str(entering and entering.name), str(nodes[-1].outputs[0].name)))
    return tensors


def with_block_names(model: onnx.ModelProto, blocks: Sequence[tuple[str, str]]) -> onnx.ModelProto:
    """Name the nodes between the tensors of each block after it, and no others."""
    producers = {name: index for index, node in enumerate(model.graph.node) for name in node.output}
    number_of = {
        index: number
        for number, (entering, leaving) in enumerate(blocks)
        for index in range(producers[entering] + 1, producers[leaving] + 1)
    }
    for index, node in enumerate(model.graph.node):
        place = f"/blocks/blocks.{number_of[index]}/" if index in number_of else "/"
        node.name = f"{place}{node.op_type}_{index}"
    return model
