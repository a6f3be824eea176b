"""Compiled layers with their operation, their role in the ViT, precision, FLOPs and bytes.

Precision is the datatype of a layer's tensors; names of tactics never decide it. What a layer does follows
from the operators of the ONNX nodes that its metadata name, and where these leave it open (a kernel that pads
the scales of a Linear names the whole Linear) from the steps in the name of a generated kernel.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trtbench.audit import kernel_shapes
from trtbench.audit.graph import Graph, GraphNode
from trtbench.audit.kernel_shapes import Product, layer_bytes
from trtbench.audit.onnx_layers import before_moves
from trtbench.audit.precision import QUANTIZED, precision_of_tensorrt
from trtbench.results import UNKNOWN_LAYER, AuditedLayer, CompiledLayer, LayerTensor
from trtbench.vit import PRODUCT_ROLES, block_of, role_of

_NOT_KERNELS = frozenset({"signal", "wait", "shape_call"})
PRODUCT_TYPES = frozenset({"gemm", "runtime_fusion", "correlation", "deconv"})
"""What the compiler calls layers that multiply matrices."""
_FUSED_ATTENTION = re.compile(r"_gem[mv]_mha")

# A generated kernel is named __myl_ and the first four letters of each step: __myl_CastMulReplCast_myl0_4.
_GENERATED = re.compile(r"__myl_((?:[A-Z][a-z]*)+)")
_MOVING_STEPS = frozenset({"Cast", "Conc", "Copy", "Gath", "Move", "Pad", "Repl", "Resh", "Slic", "Tran"})


@dataclass(frozen=True)
class GraphFacts:
    """What kernels need of the graph: operator of every node, the products by node name.

    ``softmax_quantizers``: nodes that quantize the result of a softmax.
    """

    operators: Mapping[str, str] = field(default_factory=dict)
    products: Mapping[str, AuditedLayer] = field(default_factory=dict)
    softmax_quantizers: frozenset[str] = frozenset()

    def operator(self, node: str) -> str:
        """Operator type of a node; for one that the parser made, the end of its name."""
        return self.operators.get(node) or re.sub(r"_\d+$", "", re.split(r"[./]", node)[-1])

    def role(self, node: str) -> str:
        """What a node does: by its operator, then by the modules in its name."""
        operator = self.operators.get(node)
        return role_of(node if operator is None else f"{node}/{operator}")

    def product_nodes(self, layer: CompiledLayer) -> list[AuditedLayer]:
        """The matrix products that the metadata of ``layer`` name."""
        return [self.products[node] for node in layer.onnx_nodes if node in self.products]


def graph_facts(graph: Graph, products: tuple[AuditedLayer, ...]) -> GraphFacts:
    """Index the graph that an engine was built from."""
    return GraphFacts(
        operators={node.name: node.op_type for node in graph.nodes},
        products={product.name: product for product in products},
        softmax_quantizers=frozenset(node.name for node in graph.nodes if _quantizes_softmax(graph, node)),
    )


def _quantizes_softmax(graph: Graph, node: GraphNode) -> bool:
    if not node.op_type.endswith("QuantizeLinear"):
        return False
    sources = before_moves(graph, node.inputs[0])
    return any(graph.producers[name].op_type == "Softmax" for name in sources if name in graph.producers)


def kernels_of(layers: tuple[CompiledLayer, ...]) -> tuple[CompiledLayer, ...]:
    """All layers that run on the GPU, without synchronization between streams."""
    return tuple(layer for layer in layers if layer.layer_type not in _NOT_KERNELS)


def audit_kernels(kernels: tuple[CompiledLayer, ...], facts: GraphFacts) -> tuple[AuditedLayer, ...]:
    """Audit ``kernels`` one for one, in execution order."""
    audited = [_audit_product_kernel(kernel, facts) for kernel in kernels]
    done = {node for layer in audited if layer for node in layer.onnx_nodes}
    return tuple(
        layer or _audit_generated_product(kernel, facts, done) or _audit_other(kernel, facts)
        for kernel, layer in zip(kernels, audited, strict=True)
    )


def steps_of(kernel: CompiledLayer | AuditedLayer) -> list[str]:
    """Steps in the name of a generated kernel, cut to four letters each; empty for any other."""
    match = _GENERATED.match(kernel.name)
    return re.findall(r"[A-Z][a-z]*", match[1]) if match else []


def main_input(kernel: CompiledLayer) -> LayerTensor | None:
    """The largest tensor that ``kernel`` reads; a constant only if it has no input."""
    return max(kernel.inputs or kernel.constants, key=_elements, default=None)


def _audit_product_kernel(kernel: CompiledLayer, facts: GraphFacts) -> AuditedLayer | None:
    """A layer that the compiler itself calls a product, or fused attention; None for any other."""
    nodes = facts.product_nodes(kernel)
    if _is_fused_attention(kernel, nodes, facts):
        return _audit_attention(kernel, nodes, facts)
    if kernel.layer_type not in PRODUCT_TYPES:
        return None
    if kernel.layer_type in ("correlation", "deconv"):
        return _audit_product(kernel, "conv", nodes, kernel_shapes.convolution(kernel))
    return _audit_product(kernel, "gemm", nodes, kernel_shapes.matrix_product(kernel))


def _audit_generated_product(kernel: CompiledLayer, facts: GraphFacts, done: set[str]) -> AuditedLayer | None:
    """A product in a kernel of another kind, if no layer before is known to compute its nodes."""
    nodes = [node for node in facts.product_nodes(kernel) if node.name not in done]
    if not nodes:
        return None
    is_conv = nodes[0].op == "conv"
    product = kernel_shapes.convolution(kernel) if is_conv else kernel_shapes.matrix_product(kernel)
    return _audit_product(kernel, nodes[0].op, nodes, product) if product else None


def _is_fused_attention(kernel: CompiledLayer, nodes: list[AuditedLayer], facts: GraphFacts) -> bool:
    """Whether a kernel computes all of it; those that only prepare its operands name an Attention, too."""
    if any(node.op == "attention" for node in nodes):
        return bool(_FUSED_ATTENTION.search(kernel.name) or kernel_shapes.attention(kernel))
    operators = {facts.operator(node) for node in kernel.onnx_nodes}
    return "Softmax" in operators and any(node.role == "attention" for node in nodes)


def _audit_attention(kernel: CompiledLayer, nodes: list[AuditedLayer], facts: GraphFacts) -> AuditedLayer:
    asked = sum(node.flops for node in nodes)
    flops, precision = kernel_shapes.attention(kernel) or (asked, _precision(main_input(kernel)))
    if len(nodes) > 1 or nodes[0].op == "attention":
        # The compiler pads heads to a multiple of 8: the work that was asked for counts.
        flops = min(flops, asked)
    return _layer(
        kernel, "attention", "attention", _block(kernel, "attention", facts), precision, flops=flops
    )


def _audit_product(
    kernel: CompiledLayer, op: str, nodes: list[AuditedLayer], product: Product | None
) -> AuditedLayer | None:
    """A GEMM or convolution; None if neither its tensors nor the graph give its size."""
    if nodes and (product is None or not product.flops):
        # Operands in a layout that dimensions alone do not explain: the graph's size, the tensor's datatype.
        m, n, k = (size or 0 for size in (nodes[0].m, nodes[0].n, nodes[0].k))
        product = Product(m, n, k, _precision(main_input(kernel)))
    if product is None:
        return None
    role, block = (nodes[0].role, nodes[0].block) if nodes else _role_and_block_of_names(kernel)
    # The compiler pads 3 input channels to 4: the work that was asked for counts.
    k = min(product.k, nodes[0].k or 0) if op == "conv" and nodes else product.k
    return _layer(
        kernel,
        op,
        role,
        block,
        product.precision,
        m=product.m,
        n=product.n,
        k=k,
        flops=2 * product.m * product.n * k,
    )


def _role_and_block_of_names(kernel: CompiledLayer) -> tuple[str, int | None]:
    """For a product whose nodes are not in the graph by these names."""
    found = [node for node in kernel.onnx_nodes if role_of(node) in PRODUCT_ROLES]
    return (role_of(found[0]), block_of(found[0])) if found else ("other", None)


def _audit_other(kernel: CompiledLayer, facts: GraphFacts) -> AuditedLayer:
    if kernel.layer_type == UNKNOWN_LAYER:
        return _layer(kernel, "other", "other", None, "none")
    op = _op(kernel, facts)
    role = _role(kernel, op, facts)
    return _layer(kernel, op, role, _block(kernel, role, facts), _precision(main_input(kernel)))


def _op(kernel: CompiledLayer, facts: GraphFacts) -> str:
    operators = {facts.operator(node) for node in kernel.onnx_nodes}
    roles = {facts.role(node) for node in kernel.onnx_nodes}
    source, result = _precision(main_input(kernel)), _precision(kernel.outputs[0] if kernel.outputs else None)
    if "TopK" in operators:
        return "sort"
    moves_only = _moves_only(kernel, roles)
    if not moves_only and "norm" in roles:
        return "norm"
    if not moves_only and "gelu" in roles:
        return "gelu"
    if source in QUANTIZED and result not in QUANTIZED and any("Dequantize" in o for o in operators):
        return "dequantize"
    if result in QUANTIZED and source not in QUANTIZED and "quantize" in roles <= {"quantize", "reformat"}:
        return "quantize"
    if moves_only:
        return "reformat"
    return "other" if "Softmax" in operators else "pointwise"


def _moves_only(kernel: CompiledLayer, roles: set[str]) -> bool:
    """Whether a kernel only moves or casts, by the steps of a generated kernel, else by its nodes."""
    steps = steps_of(kernel)
    return set(steps) <= _MOVING_STEPS if steps else roles <= {"reformat"}


def _role(kernel: CompiledLayer, op: str, facts: GraphFacts) -> str:
    if op in ("norm", "gelu"):
        return op
    if {facts.role(node) for node in kernel.onnx_nodes} == {"token_reduction"}:
        return "token_reduction"
    operators = [facts.operator(node) for node in kernel.onnx_nodes]
    handles_scales = any("Dequantize" in operator for operator in operators)
    if op in ("quantize", "dequantize") or (op == "reformat" and handles_scales):
        return "quantize"
    if op == "reformat":
        return "reformat"
    roles = [
        role for role in map(facts.role, kernel.onnx_nodes) if role not in ("quantize", "reformat", "other")
    ]
    return "attention" if "attention" in roles else (roles or ["other"])[0]


def _block(kernel: CompiledLayer, role: str, facts: GraphFacts) -> int | None:
    """Block of the first node that has the role of the kernel, else of the first node in a block."""
    ranked = sorted(kernel.onnx_nodes, key=lambda node: facts.role(node) != role)
    return next((block for block in map(block_of, ranked) if block is not None), None)


def _layer(
    kernel: CompiledLayer,
    op: str,
    role: str,
    block: int | None,
    precision_in: str,
    *,
    m: int | None = None,
    n: int | None = None,
    k: int | None = None,
    flops: int = 0,
) -> AuditedLayer:
    return AuditedLayer(
        name=kernel.name,
        role=role,
        op=op,
        block=block,
        precision_in=precision_in,
        precision_out=_precision(kernel.outputs[0] if kernel.outputs else None),
        m=m,
        n=n,
        k=k,
        flops=flops,
        bytes=layer_bytes(kernel),
        onnx_nodes=kernel.onnx_nodes,
        tactic_name=kernel.tactic_name,
        inputs=kernel.inputs,
        constants=kernel.constants,
        outputs=kernel.outputs,
    )


def _precision(tensor: LayerTensor | None) -> str:
    return precision_of_tensorrt(tensor.dtype) if tensor else "none"


def _elements(tensor: LayerTensor) -> int:
    return math.prod(tensor.dimensions)
