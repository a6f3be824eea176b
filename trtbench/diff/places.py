"""Where in the network a kernel works, in names that two exports of one network share.

Exports of one network in several precisions name its nodes alike but for the quantizers, for Q, K and V,
which are one Linear or three, and for the scope of the list of blocks.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trtbench.results import AuditedLayer
from trtbench.results.diff import DiffedLayer
from trtbench.vit import PRODUCT_ROLES, role_of

_LIST_SCOPE = re.compile(r"(?:^|\.)(blocks\w*)\.(?=\1\.)")
_BLOCK = re.compile(r"(?:^|.*?\.)blocks\w*\.\d+\.")
_Q_K_V = re.compile(r"(?<=\.)(?:q|k|v|q_proj|k_proj|v_proj)(?=\.)")
# ModelOpt's names: of a node of a quantizer, and of one that the exporter made for a weight.
_WEIGHT = re.compile(r"\.weight_(?=DequantizeLinear)")
_QUANTIZER_OPERATOR = re.compile(
    r"(?:TRT_[A-Z0-9]+?)?(DynamicQuantize|DequantizeLinear|QuantizeLinear)(?:_\d+)?$"
)
_QUANTIZER = re.compile(r"(?:^|\.)(\w+)\.(input|weight|output)_quantizer\.")


@dataclass(frozen=True)
class PlacedLayer:
    """A kernel with its block and its nodes by their common names; ``work``: the nodes of its role."""

    layer: AuditedLayer
    index: int
    block: int | None
    place: str
    nodes: frozenset[str]
    work: frozenset[str]

    def diffed(self) -> DiffedLayer:
        """The kernel as a result keeps it."""
        layer = self.layer
        return DiffedLayer(
            role=layer.role,
            op=layer.op,
            place=self.place,
            precision_in=layer.precision_in,
            precision_out=layer.precision_out,
            m=layer.m,
            n=layer.n,
            k=layer.k,
            bytes=layer.bytes,
        )


def place_layers(layers: Sequence[AuditedLayer]) -> list[PlacedLayer]:
    """Place all kernels of an engine; one that names no node belongs where the kernel before it does."""
    placed: list[PlacedLayer] = []
    for index, layer in enumerate(layers):
        if layer.onnx_nodes or not placed:
            placed.append(_place(layer, index))
        else:
            before = placed[-1]
            placed.append(PlacedLayer(layer, index, before.block, before.place, frozenset(), frozenset()))
    return placed


def common_name(node: str) -> str:
    """Name a node as all exports do: ``/blocks/blocks.0/attn/q/MatMul`` is ``blocks.0.attn.qkv.MatMul``."""
    name = node.lstrip("/").replace("/", ".")
    name = _LIST_SCOPE.sub(lambda match: match[0][: match.start(1) - match.start()], name)
    name = _WEIGHT.sub(".weight_quantizer.", _Q_K_V.sub("qkv", name))
    return _QUANTIZER_OPERATOR.sub(r"\1", name)


def short_name(name: str) -> str:
    """Without the block: ``attn.proj.Add``."""
    return _BLOCK.sub("", name)


def _place(layer: AuditedLayer, index: int) -> PlacedLayer:
    names = {node: common_name(node) for node in layer.onnx_nodes}
    work = [names[node] for node in layer.onnx_nodes if role_of(node) == layer.role]
    first = next(iter(work or names.values()), "")
    return PlacedLayer(
        layer=layer,
        index=index,
        block=layer.block,
        place=layer.role if layer.role in PRODUCT_ROLES else _module(first) or layer.role,
        nodes=frozenset(names.values()),
        work=frozenset(work),
    )


def _module(name: str) -> str:
    """Innermost module of a node: ``norm2``, ``fc1``; of a quantizer what it quantizes: ``fc1 input``.

    Modules of the patch embedding have names that others have, too (``proj``, ``norm``): it is one place.
    """
    modules = short_name(name).split(".")[:-1]
    embeds = "patch_embed" in map(role_of, modules)
    quantizer = _QUANTIZER.search(name)
    if quantizer:
        return f"{'patch_embed' if embeds else quantizer[1]} {quantizer[2]}"
    if embeds:
        return "patch_embed"
    return modules[-1] if modules else ""
