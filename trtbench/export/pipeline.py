"""From a checked spec to ``model.onnx`` and what the manifest says about it; imports torch and timm."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import onnx
import torch
from onnx import ValueInfoProto
from torch import nn

from trtbench.export.calibration import CalibrationImages
from trtbench.export.flops import analytic_flops
from trtbench.export.fp16_range import activation_findings, recorded_magnitudes, weight_findings
from trtbench.export.graph.dynamic_batch import with_dynamic_batch
from trtbench.export.graph.interface import with_interface
from trtbench.export.graph.names import with_module_names
from trtbench.export.graph.opset import with_sufficient_opset
from trtbench.export.graph.sparse_weights import count_sparsity
from trtbench.export.graph.standard_domains import with_standard_domains
from trtbench.export.graph.static_batch import with_static_batch
from trtbench.export.graph.tensor_types import with_tensor_types
from trtbench.export.graph.write import write_model
from trtbench.export.images import ImageBatches, synthetic_images
from trtbench.export.linear_layers import call_all_linear_layers, input_ranks
from trtbench.export.metadata import with_metadata
from trtbench.export.model import build_model, image_shape, meta_model, weight_notes
from trtbench.export.onnx_source import original_graph
from trtbench.export.passes import apply_graph_passes
from trtbench.export.source import onnx_file
from trtbench.export.trace import Graph, output_names, trace
from trtbench.progress import OnStep, Step
from trtbench.results import Finding, SparsityRecord, TensorRecord
from trtbench.specs import ExportSpec
from trtbench.specs.recipe import ORIGINAL, Precision, Recipe

INPUT_NAME = "images"

_TYPE_OF_MODEL = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}  # FP16 for all others
_RANGE_IMAGES = 2


@dataclass(frozen=True)
class Exported:
    """What was written, and what was found on the way."""

    files: tuple[Path, ...]
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]
    nodes: int
    opset: int
    analytic_flops: dict[str, int]
    calibration_samples: int
    sparsity: SparsityRecord | None
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def import_modelopt(recipe: Recipe) -> None:
    """Import ModelOpt as far as the recipe needs it, before a model is made.

    That takes seconds. PuLP, which ModelOpt imports, keeps the tracebacks of its own failed imports, and with
    them whatever the functions that called for the import hold: no model may be among it.
    """
    if recipe.sparse:
        import trtbench.export.sparsify
    if recipe.is_quantized:
        import trtbench.export.quantized_graph  # noqa: F401


def run(spec: ExportSpec, images: CalibrationImages | None, directory: Path, on_step: OnStep) -> Exported:
    """Export into ``directory``.

    Raises:
        SpecError: timm has no such model, it is not a Vision Transformer, or cannot be constructed so.
        ExportError: weights or images are missing or do not fit.
    """
    begin = _counted(spec, on_step)
    begin(f"{'download the weights and ' * spec.model.pretrained}construct the model")
    blueprint, model = meta_model(spec.model), build_model(spec.model)
    if not spec.recipe.stock:
        call_all_linear_layers(blueprint)
        call_all_linear_layers(model)
    pixels = None if images is None else ImageBatches(images, model)
    dense_notes: tuple[str, ...] = ()
    if spec.recipe.sparse:
        model, dense_notes = _prune(model, spec, pixels, begin)
    findings = _range_findings(model, spec, pixels)
    made = _graph(model, blueprint, spec, pixels, begin)
    begin("set the batch and clean the graph")
    outputs = output_names(model)
    del model  # its weights are in the graph
    graph = with_sufficient_opset(with_standard_domains(made.model), spec.recipe)
    graph = with_interface(graph, INPUT_NAME, outputs)

    def at_batch(batch: int) -> onnx.ModelProto:
        static = with_module_names(with_static_batch(graph, batch))
        return with_tensor_types(apply_graph_passes(static, spec.recipe, spec.passes, made.ranges))

    final = at_batch(spec.batch) if spec.batch_range is None else with_dynamic_batch(at_batch, spec.batch)
    graph = with_metadata(final, blueprint, spec)
    begin("check and write")
    return Exported(
        files=write_model(graph, directory),
        inputs=tuple(_tensor_record(value, spec.batch) for value in graph.graph.input),
        outputs=tuple(_tensor_record(value, spec.batch) for value in graph.graph.output),
        nodes=len(graph.graph.node),
        opset=next(entry.version for entry in graph.opset_import if entry.domain == ""),
        analytic_flops=analytic_flops(blueprint, spec.batch),
        calibration_samples=0 if pixels is None else pixels.samples,
        sparsity=count_sparsity(graph, spec.sparsity_method) if spec.sparsity_method is not None else None,
        notes=(*weight_notes(spec.model), *(pixels.notes if pixels else ()), *dense_notes, *made.notes),
        findings=(*findings, *made.findings),
    )


def _counted(spec: ExportSpec, on_step: OnStep) -> Callable[[str], None]:
    """Return a callback that counts the steps of this export as each begins."""
    recipe, done = spec.recipe, count()
    total = 4 + recipe.sparse + recipe.is_quantized + (recipe.is_quantized and not recipe.stock)
    return lambda text: on_step(Step("export", text, next(done), total))


def _prune(
    model: nn.Module, spec: ExportSpec, pixels: ImageBatches | None, begin: Callable[[str], None]
) -> tuple[nn.Module, tuple[str, ...]]:
    from trtbench.export.sparsify import sparsify

    if spec.sparsity_method is None:
        raise ValueError("a resolved spec names the method")
    begin(f"prune to 2:4 sparsity with {spec.sparsity_method}")
    return sparsify(model, spec.sparsity_method, pixels)


def _range_findings(model: nn.Module, spec: ExportSpec, pixels: ImageBatches | None) -> tuple[Finding, ...]:
    """What of a model with weights of its own FP16 cannot hold; calibration looks at activations itself.

    Raises:
        ExportError: a weight is infinite in FP16.
    """
    is_random = spec.model.checkpoint is None and not spec.model.pretrained and spec.model.source is None
    if is_random or spec.recipe.precision in _TYPE_OF_MODEL:
        return ()
    findings = weight_findings(model)
    if spec.recipe.is_quantized and pixels is not None:
        return findings
    with torch.inference_mode(), recorded_magnitudes(model) as largest:
        model(next(iter(pixels or synthetic_images(model, _RANGE_IMAGES))))
    return (*findings, *activation_findings(largest))


def _graph(
    model: nn.Module,
    blueprint: nn.Module,
    spec: ExportSpec,
    pixels: ImageBatches | None,
    begin: Callable[[str], None],
) -> Graph:
    """Graph in the precision asked for, with a symbolic batch."""
    recipe = spec.recipe
    if spec.model.source is not None and recipe == ORIGINAL:
        begin("read the file")
        return Graph(
            original_graph(onnx_file(spec.model), spec.model.img_size, spec.batch, spec.model.features)
        )
    if recipe.is_quantized:
        from trtbench.export.quantized_graph import quantized_graph, stock_quantized_graph

        ranks = input_ranks(blueprint)
        if recipe.stock:
            return stock_quantized_graph(model, recipe, pixels, ranks, begin)
        return quantized_graph(model, recipe, spec.passes, pixels, ranks, begin)
    begin("trace to ONNX")
    dtype = _TYPE_OF_MODEL.get(recipe.precision, torch.float16)
    return Graph(trace(model.to(dtype), image_shape(model), dtype))


def _tensor_record(value: ValueInfoProto, batch: int) -> TensorRecord:
    """Describe an input or output; ``batch``: what a dynamic one is stated as."""
    tensor = value.type.tensor_type
    return TensorRecord(
        name=value.name,
        dtype=str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        shape=tuple(dim.dim_value if dim.HasField("dim_value") else batch for dim in tensor.shape.dim),
    )
