"""Audits: what a graph asks for, and what the compiler made of it."""

from pathlib import Path

from trtbench.audit.coverage import coverage_by_role, flops_share
from trtbench.audit.evidence import Evidence, is_linear
from trtbench.audit.findings import find
from trtbench.audit.graph import Graph, Shapes, read_graph
from trtbench.audit.kernels import audit_kernels, graph_facts, kernels_of
from trtbench.audit.onnx_layers import audit_products
from trtbench.audit.open_dimensions import at_shapes, is_open
from trtbench.results import Audit, AuditedLayer, CompiledLayer
from trtbench.specs.recipe import Recipe


def audit_onnx(
    path: Path,
    recipe: Recipe | None = None,
    analytic_flops: dict[str, int] | None = None,
    shapes: Shapes | None = None,
) -> Audit:
    """Audit the matrix products of an ONNX file; counts of kernels are 0, for nothing is compiled yet.

    Args:
        path: any ONNX file; external data is not read.
        recipe: what was asked for, if known.
        analytic_flops: FLOPs by role, counted on the torch model.
        shapes: of dynamic inputs, by name.

    Raises:
        ArtifactError: not a readable ONNX file, or a dynamic input has no shape.
        SpecError: a shape does not fit.
    """
    graph = read_graph(path, shapes)
    products = audit_products(graph)
    evidence = Evidence(
        recipe, None, products, uncounted=graph.uncounted, analytic_flops=_total(analytic_flops)
    )
    return _audit(evidence, graph)


def audit_engine(
    onnx_path: Path,
    layers: tuple[CompiledLayer, ...],
    recipe: Recipe | None,
    backend: str,
    analytic_flops: dict[str, int] | None,
    sparsity_requested: bool = False,
    sparse_eligible: tuple[str, ...] | None = None,
    sparse_picked: tuple[str, ...] | None = None,
    shapes: Shapes | None = None,
) -> Audit:
    """Audit compiled ``layers`` against the ONNX file that they come from.

    Args:
        onnx_path: the file that the engine was built from.
        layers: the compiled layers in execution order.
        recipe: what was asked for, if known.
        backend: the compiler's name and version.
        analytic_flops: FLOPs by role, counted on the torch model.
        sparsity_requested: whether the build allowed sparse weights.
        sparse_eligible: layers that its log calls eligible for sparse kernels, if it says so.
        sparse_picked: layers that got one, by the log, if it says so.
        shapes: of dynamic inputs, by name: dimensions that the engine leaves open are filled in for them.

    Raises:
        ArtifactError: the ONNX file is not readable, or a dynamic input has no shape.
        SpecError: a shape does not fit.
    """
    graph = read_graph(onnx_path, shapes)
    products = audit_products(graph)
    kernels, facts = kernels_of(layers), graph_facts(graph, products)
    filled = at_shapes(kernels, graph, facts)
    return _audit(
        Evidence(
            recipe=recipe,
            backend=backend,
            products=products,
            kernels=filled,
            layers=audit_kernels(filled, facts),
            leaves_open=is_open(kernels),
            facts=facts,
            uncounted=graph.uncounted,
            analytic_flops=_total(analytic_flops),
            sparsity_requested=sparsity_requested,
            sparse_eligible=sparse_eligible,
            sparse_picked=sparse_picked,
        ),
        graph,
    )


def _audit(evidence: Evidence, graph: Graph) -> Audit:
    """Sum up ``evidence``, which is about ``graph``.

    ``gemm_kernels`` are those of Linear layers: the patch embedding's convolution is neither among them nor
    among ``other_kernels``, which multiply nothing. ``quantize_kernels`` are those of the others that only
    quantize, dequantize or arrange scales.
    """
    layers = evidence.layers if evidence.compiled else evidence.products
    return Audit(
        recipe=evidence.recipe,
        backend=evidence.backend,
        inputs={name: graph.shapes[name] for name in graph.inputs if name in graph.shapes},
        layers=layers,
        by_role=coverage_by_role(evidence),
        onnx_flops=sum(product.flops for product in evidence.products),
        compiled_flops=sum(layer.flops for layer in evidence.layers) if evidence.compiled else None,
        analytic_flops=evidence.analytic_flops,
        gemm_flops_share=flops_share(filter(is_linear, layers)),
        attention_precision=_attention_precision(layers),
        gemm_kernels=len(evidence.gemm_kernels),
        attention_kernels=len(evidence.attention_kernels),
        quantize_kernels=sum(layer.role == "quantize" for layer in evidence.layers),
        other_kernels=len(evidence.other_kernels),
        other_bytes=sum(layer.bytes for layer in evidence.other_kernels),
        findings=find(evidence),
    )


def _attention_precision(layers: tuple[AuditedLayer, ...]) -> str | None:
    """Precision of attention's products; of several, the one with the most FLOPs first."""
    return ", ".join(flops_share(layer for layer in layers if layer.role == "attention")) or None


def _total(flops_by_role: dict[str, int] | None) -> int | None:
    return None if flops_by_role is None else sum(flops_by_role.values())
