"""A Vision Transformer from an ONNX file of any exporter, as a torch model with timm's names and modules.

What is found by structure (Linear layers, attention, LayerNorm, GELU) becomes a module of timm's or torch's,
so that everything after it treats the model as timm's own. All else keeps its operators. The model is
compared with the file, as onnxruntime runs it, before it is used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir
from onnx import ModelProto
from onnx_ir.passes import common

from trtbench.errors import ExportError
from trtbench.export.features import check_blocks
from trtbench.export.onnx_source.attention import find_attention, find_cores, find_self_attention
from trtbench.export.onnx_source.check import check_same
from trtbench.export.onnx_source.layers import find_layers
from trtbench.export.onnx_source.module import ImportedViT, build_module
from trtbench.export.onnx_source.places import block_tensors, module_paths, with_block_names
from trtbench.export.onnx_source.read import batch_of, load_model, read_graph, static_model
from trtbench.specs import ImageSize

_IR_VERSION = 10


@dataclass(frozen=True)
class Structure:
    """A graph in layers, the module that each node belongs to, and notes on what was not understood."""

    graph: ir.Graph
    paths: dict[ir.Node, str]
    notes: tuple[str, ...]


def import_model(
    path: Path, img_size: ImageSize | None, features: Sequence[int] | None = None
) -> tuple[ImportedViT, tuple[str, ...]]:
    """Return the model in float32, and notes on what of it was not understood and stays as it is.

    ``features``: the blocks whose tokens it gives in place of its output.

    Raises:
        SpecError: it has fewer blocks.
        ExportError: the file cannot be read, is not a Vision Transformer, or cannot be computed as it is.
    """
    source = load_model(path, img_size)
    found = structure_of(source, path)
    with _naming(path):
        model = build_module(found.graph, found.paths)
    check_same(model, source, path)
    if features is not None:
        _set_outputs(ir.Model(found.graph, ir_version=_IR_VERSION), _feature_tensors(found, features))
        model = build_module(found.graph, found.paths)
        model.feature_blocks = tuple(features)
    return model, found.notes


def original_graph(
    path: Path, img_size: ImageSize | None, batch: int, features: Sequence[int] | None = None
) -> ModelProto:
    """The file's own float32 graph for ``batch`` images, its nodes named by block; ``features`` as above.

    Raises:
        SpecError: it has fewer blocks.
        ExportError: the file cannot be read, is not a Vision Transformer, or has another static batch.
    """
    source = load_model(path, img_size)
    own = batch_of(source)
    if own not in (None, batch):
        raise ExportError(f"{path}: has a static batch of {own}; use --batch {own}")
    found = structure_of(source, path)
    graph = with_block_names(static_model(source, batch), block_tensors(found.graph, found.paths))
    if features is None:
        return graph
    model = ir.from_proto(graph)
    _set_outputs(model, _feature_tensors(found, features))
    return ir.to_proto(model)


def _feature_tensors(found: "Structure", features: Sequence[int]) -> list[str]:
    leaving = [name for _, name in block_tensors(found.graph, found.paths)]
    check_blocks(features, len(leaving))
    return [leaving[block] for block in features]


def _set_outputs(model: ir.Model, names: Sequence[str]) -> None:
    """Let the graph give these tensors, and remove what is computed for others."""
    values = {value.name: value for node in model.graph for value in node.outputs}
    model.graph.outputs.clear()
    model.graph.outputs.extend(values[name] for name in names)
    common.RemoveUnusedNodesPass()(model)


def structure_of(source: ModelProto, path: Path) -> Structure:
    """Find layers, attention and blocks.

    Raises:
        ExportError: there is none, or an operator is not known.
    """
    batch = batch_of(source) or 1
    with _naming(path):
        model = read_graph(source)
        for find in (find_layers, lambda graph: find_self_attention(graph, batch), find_attention):
            find(model.graph)
            common.RemoveUnusedNodesPass()(model)
            model.graph.sort()
        paths = module_paths(model.graph)
    if not any(each.startswith("blocks.") for each in paths.values()):
        raise ExportError(
            f"{path}: no transformer blocks found: expected attention between residual additions"
        )
    left = [core.node for core in find_cores(model.graph) if core.node.op_type == "Softmax"]
    why = "left in FP16, in the operators of the file: it has a mask or a bias"
    notes = tuple(f"{paths[node] or 'attention'} ({node.name}): {why}" for node in left)
    return Structure(model.graph, paths, notes)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which file it is that holds what is not known."""
    try:
        yield
    except ExportError as error:
        raise ExportError(f"{path}: {error}", code=error.code) from error
