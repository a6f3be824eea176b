"""What a user should know about a graph or an engine: one function a finding, with numbers and next step."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sized

from trtbench.audit.evidence import Evidence, Fallback, asked_precision, is_linear
from trtbench.audit.kernel_shapes import tensor_bytes
from trtbench.audit.kernels import main_input
from trtbench.audit.precision import QUANTIZED, is_mixed, precision_of_tensorrt
from trtbench.errors import Code
from trtbench.results import UNKNOWN_LAYER, AuditedLayer, Finding, LayerTensor, Severity
from trtbench.specs.recipe import LINEAR_ROLES
from trtbench.units import format_bytes

_FLOPS_TOLERANCE = 0.01
_LARGE_TENSOR_BYTES = 1_000_000


def find(evidence: Evidence) -> tuple[Finding, ...]:
    """All findings, in the order of this file."""
    return tuple(finding for check in CHECKS for finding in check(evidence))


def gemm_fell_back(evidence: Evidence) -> Iterator[Finding]:
    """Linear layers that the graph quantizes and the compiler multiplies in another precision."""
    cases = [case for case in evidence.fallbacks if case.asked not in evidence.emulated]
    for asked in sorted({case.asked for case in cases}):
        for sliced in (True, False):
            alike = [case for case in cases if case.asked == asked and case.sliced == sliced]
            if alike:
                yield _fell_back(evidence, asked, alike, sliced)


def _fell_back(evidence: Evidence, asked: str, cases: list[Fallback], sliced: bool) -> Finding:
    layers = [case.layer for case in cases]
    dequantizers = _distinct(case.dequantizers for case in cases)
    moved_bytes = _bytes(dequantizers)
    share = evidence.linear_share(layers)
    why = (
        f"the compiler slices the fused QKV weight in three, which breaks the {asked} pattern"
        if sliced
        else f"the compiler matched no {asked} kernel"
    )
    return Finding(
        code=Code.GEMM_FELL_BACK,
        severity="warning",
        message=(
            f"{len(layers)} of {len(evidence.gemm_kernels)} GEMMs ({_where(layers)}; {_of_linear(share)}) "
            f"are {asked} in the graph and {_precisions(layers)} in the engine: {why}; "
            f"{_count(dequantizers, 'kernel')} to dequantize their operands ({format_bytes(moved_bytes)})"
        ),
        hint=_advice_for_fallback(evidence, asked, sliced),
        numbers={
            "gemms": len(layers),
            "linear_flops_share": share,
            "dequantize_kernels": len(dequantizers),
            "dequantize_bytes": moved_bytes,
        },
        layers=_names(layers),
    )


def _advice_for_fallback(evidence: Evidence, asked: str, sliced: bool) -> str:
    if not sliced:
        return f"leave these layers unquantized, unless another layout of them compiles to {asked}"
    if evidence.recipe is not None and evidence.recipe.stock:
        return "drop @stock from the recipe: our graph holds Q, K and V as three Linears, which all compile"
    return "give the model Q, K and V as three Linears: then all three compile as they were asked"


def emulated(evidence: Evidence) -> Iterator[Finding]:
    """A precision that the backend quantizes to and dequantizes from, but never multiplies in."""
    for asked in sorted(evidence.emulated):
        cases = [case for case in evidence.fallbacks if case.asked == asked]
        layers = [case.layer for case in cases]
        dequantizers = _distinct(case.dequantizers for case in cases)
        quantizers = [layer for layer in evidence.other_kernels if layer.op == "quantize"]
        moved_bytes = _bytes([*quantizers, *dequantizers])
        share = evidence.linear_share(layers)
        yield Finding(
            code=Code.EMULATED,
            severity="warning",
            message=(
                f"{asked} is emulated by {evidence.backend}: {_count(layers, 'GEMM')} asked in it "
                f"({_of_linear(share)}) all multiply in {_precisions(layers)}, between {len(quantizers)} "
                f"quantizing and {len(dequantizers)} dequantizing kernels ({format_bytes(moved_bytes)})"
            ),
            hint=_advice_for_emulation(evidence, asked),
            numbers={
                "gemms": len(layers),
                "linear_flops_share": share,
                "quantize_kernels": len(quantizers),
                "dequantize_kernels": len(dequantizers),
                "quantize_and_dequantize_bytes": moved_bytes,
            },
            layers=_names(layers),
        )


def _advice_for_emulation(evidence: Evidence, asked: str) -> str:
    if asked == "mxfp8" and "rtx" in (evidence.backend or ""):
        return (
            "expect no gain from mxfp8 here: use fp8 or nvfp4, or build with standard TensorRT 10.12 or "
            "later, which is said to have MXFP8 kernels"
        )
    return f"use another precision with this backend, or another backend for {asked}"


def linear_not_quantized(evidence: Evidence) -> Iterator[Finding]:
    """Linear layers of the blocks that the recipe quantizes and the graph does not."""
    left = [product for product in _asked_but_not_in_graph(evidence) if product.role != "head"]
    if left:
        share = evidence.linear_share(left)
        yield Finding(
            code=Code.LINEAR_NOT_QUANTIZED,
            severity="warning",
            message=(
                f"{_count(left, 'Linear layer')} ({_where(left)}; {_of_linear(share)}) asked in "
                f"{asked_precision(evidence.recipe, left[0].role)}, but {_precisions(left)} in the graph"
            ),
            hint="see the notes of the export for the layers that the quantizer left out",
            numbers={"layers": len(left), "linear_flops_share": share},
            layers=_names(left),
        )


def head_not_quantized(evidence: Evidence) -> Iterator[Finding]:
    """A classifier that stays in 16 bits: usual, and a small part of the work."""
    left = [product for product in _asked_but_not_in_graph(evidence) if product.role == "head"]
    if left:
        share = evidence.linear_share(left)
        yield Finding(
            code=Code.HEAD_NOT_QUANTIZED,
            severity="info",
            message=f"the head is {_precisions(left)} in the graph ({_of_linear(share)})",
            hint="nothing to do: the head is a small part of the work",
            numbers={"linear_flops_share": share},
            layers=_names(left),
        )


def one_operand_quantized(evidence: Evidence) -> Iterator[Finding]:
    """Products that read one quantized operand and one that is not: they run in the wider precision."""
    mixed = [p for p in evidence.products if is_linear(p) and is_mixed(p.precision_in)]
    severity: Severity = "warning" if any(p.role in LINEAR_ROLES for p in mixed) else "info"
    if mixed:
        share = evidence.linear_share(mixed)
        yield Finding(
            code=Code.ONE_OPERAND_QUANTIZED,
            severity=severity,
            message=(
                f"{_count(mixed, 'product')} ({_where(mixed)}; {_of_linear(share)}) with "
                f"one quantized operand of two (activation x weight: {_precisions(mixed)}): the file is "
                f"smaller, but the product runs in the wider type{_dequantized_by(evidence, mixed)}"
            ),
            hint="quantize both operands, or neither",
            numbers={"products": len(mixed), "linear_flops_share": share},
            layers=_names(mixed),
        )


def _dequantized_by(evidence: Evidence, mixed: list[AuditedLayer]) -> str:
    """What dequantizes the quantized operand in the engine: the kernel of the product, or one before it."""
    if not evidence.compiled:
        return ""
    inside = sum(is_mixed(kernel.precision_in) for kernel in evidence.linear_kernels)
    if inside >= len(mixed):
        return ", which reads the quantized operand as it is"
    apart = "after a kernel that dequantizes"
    return (
        f"; {inside} read the quantized operand as it is, the others run {apart}" if inside else f", {apart}"
    )


def attention_not_fused(evidence: Evidence) -> Iterator[Finding]:
    """Attention as separate products and softmax, which write the scores to memory."""
    separate = [layer for layer in evidence.attention_kernels if layer.op != "attention"]
    if separate:
        moved_bytes = _bytes(separate)
        yield Finding(
            code=Code.ATTENTION_NOT_FUSED,
            severity="warning",
            message=(
                f"attention runs as {_count(separate, 'separate product')} ({_where(separate)}; "
                f"{format_bytes(moved_bytes)}): the compiler matched no fused kernel"
            ),
            hint=(
                "use fp16 or bf16: there is no fused kernel for FP32"
                if any(layer.precision_in == "fp32" for layer in separate)
                else "keep Q K^T, scale, softmax and P V together, and quantize all of Q, K, V, P or none"
            ),
            numbers={"kernels": len(separate), "bytes": moved_bytes},
            layers=_names(separate),
        )


def attention_slow_kernel(evidence: Evidence) -> Iterator[Finding]:
    """The fused kernel of the first generation, which TensorRT takes when only the softmax is quantized."""
    kernels = evidence.attention_kernels
    slow = [k for k in kernels if k.name.startswith("_gemm_mha_v1") and k.precision_in not in QUANTIZED]
    if slow:
        softmax_quantizers = evidence.facts.softmax_quantizers
        quantized = any(not softmax_quantizers.isdisjoint(kernel.onnx_nodes) for kernel in slow)
        why = ", because only the softmax output is quantized, not Q, K and V" if quantized else ""
        yield Finding(
            code=Code.ATTENTION_SLOW_KERNEL,
            severity="warning",
            message=(
                f"{len(slow)} of {len(kernels)} attention kernels are _gemm_mha_v1 in {_precisions(slow)} "
                f"instead of _gemm_mha_v2{why}"
            ),
            hint="quantize Q, K, V and the softmax output, or none of them",
            numbers={"kernels": len(slow), "bytes": _bytes(slow)},
            layers=_names(slow),
        )


def attention_fell_back(evidence: Evidence) -> Iterator[Finding]:
    """Attention that the graph quantizes as a whole and the compiler does not."""
    asked = {product.precision_in for product in evidence.products if product.role == "attention"}
    ran = [kernel for kernel in evidence.attention_kernels if kernel.precision_in not in asked]
    if len(asked) == 1 and asked <= QUANTIZED and ran:
        yield Finding(
            code=Code.ATTENTION_FELL_BACK,
            severity="warning",
            message=(
                f"attention is {asked.pop()} in the graph, but {len(ran)} of "
                f"{len(evidence.attention_kernels)} kernels ({_where(ran)}) compute in {_precisions(ran)}"
            ),
            hint="quantize per tensor, with scales of the type of the activations, and Q after its scaling",
            numbers={"kernels": len(ran)},
            layers=_names(ran),
        )


def attention_not_quantized(evidence: Evidence) -> Iterator[Finding]:
    """The part of the work that a quantized recipe leaves in 16 bits."""
    wide = [kernel for kernel in evidence.attention_kernels if kernel.precision_in not in QUANTIZED]
    if wide and evidence.asks_quantized:
        share = sum(kernel.flops for kernel in wide) / sum(layer.flops for layer in evidence.layers)
        yield Finding(
            code=Code.ATTENTION_NOT_QUANTIZED,
            severity="info",
            message=f"attention computes in {_precisions(wide)}: {share:.1%} of all FLOPs stay unquantized",
            hint="add +fp8attn to the recipe: quantized Q, K, V and softmax output compile to an FP8 kernel",
            numbers={"kernels": len(wide), "flops_share": share},
            layers=_names(wide),
        )


def fp32_activations(evidence: Evidence) -> Iterator[Finding]:
    """Large FP32 tensors between kernels of a model that is meant to run in 16 bits or fewer."""
    if all(product.precision_in == "fp32" for product in evidence.products):
        return
    large = _large_fp32_activations(evidence)
    fed = sum("quantize" in readers for _, _, readers in large)
    total_bytes = sum(tensor_bytes(tensor) for _, tensor, _ in large)
    if large:
        yield Finding(
            code=Code.FP32_ACTIVATIONS,
            severity="warning" if fed else "info",
            message=(
                f"{_count(large, 'large activation')} in FP32, {format_bytes(total_bytes)} in all"
                + (f"; {fed} because the graph casts to float in front of a quantizer" if fed else "")
            ),
            hint=_advice_for_fp32(evidence, fed),
            numbers={"tensors": len(large), "bytes": total_bytes, "read_by_quantizers": fed},
            layers=tuple(writer for writer, _, _ in large),
        )


def _large_fp32_activations(evidence: Evidence) -> list[tuple[str, LayerTensor, set[str]]]:
    """Writer, tensor and the operations that read it.

    Without what a LayerNorm that is split in two kernels passes between them: its statistics belong in FP32.
    """
    readers: dict[str, set[str]] = {}
    for kernel, layer in zip(evidence.kernels, evidence.layers, strict=True):
        for tensor in kernel.inputs:
            readers.setdefault(tensor.name, set()).add(layer.op)
    return [
        (kernel.name, tensor, readers[tensor.name])
        for kernel, layer in zip(evidence.kernels, evidence.layers, strict=True)
        for tensor in kernel.outputs
        if precision_of_tensorrt(tensor.dtype) == "fp32"
        and tensor_bytes(tensor) > _LARGE_TENSOR_BYTES
        and tensor.name in readers
        and not (layer.op == "norm" and readers[tensor.name] == {"norm"})
    ]


def _advice_for_fp32(evidence: Evidence, fed: int) -> str:
    if not fed:
        return (
            "look in the graph for Casts to float behind these kernels, and remove those that nothing needs"
        )
    if evidence.recipe is not None and evidence.recipe.stock:
        return "drop @stock from the recipe: our graph has no such casts, and the quantizer takes 16 bits"
    return "remove the Casts to float in front of the dynamic quantizers: they take 16 bits"


def quantize_kernels(evidence: Evidence) -> Iterator[Finding]:
    """Kernels that only quantize: a dynamic quantizer never folds into the kernel in front of it."""
    only = [layer for layer in evidence.layers if layer.op == "quantize"]
    overhead = [layer for layer in evidence.layers if layer.role == "quantize"]
    if only:
        operators = [set(map(evidence.facts.operator, layer.onnx_nodes)) for layer in only]
        dynamic = sum(any("DynamicQuantize" in name for name in names) for names in operators)
        moved_bytes, other_bytes = _bytes(overhead), _bytes(evidence.other_kernels)
        rest = len(overhead) - len(only)
        yield Finding(
            code=Code.QUANTIZE_KERNELS,
            severity="info",
            message=(
                f"{_count(only, 'kernel')} to quantize ({dynamic} dynamically) and {rest} to dequantize or "
                f"arrange scales: {len(overhead)} of the {len(evidence.other_kernels)} kernels beside the "
                f"products, and {format_bytes(moved_bytes)} of their {format_bytes(other_bytes)}"
            ),
            hint=(
                "static scales per tensor, as in fp8, mostly fold into the LayerNorm or GELU in front"
                if dynamic
                else "look with --layers for what stands in front: a LayerNorm or GELU takes its quantizer in"
            ),
            numbers={
                "quantize_kernels": len(only),
                "dynamic_quantize_kernels": dynamic,
                "dequantize_and_scale_kernels": rest,
                "bytes": moved_bytes,
                "share_of_other_bytes": moved_bytes / other_bytes,
            },
            layers=_names(only),
        )


def scale_padding(evidence: Evidence) -> Iterator[Finding]:
    """Kernels that pad block scales, because the rows of the GEMM are not a multiple of its tile of 128."""
    pads = [
        (layer, source.dimensions[-2])
        for kernel, layer in zip(evidence.kernels, evidence.layers, strict=True)
        if layer.op == "reformat" and layer.role == "quantize"
        for source in [main_input(kernel)]
        if source is not None and len(source.dimensions) > 1
        if sum(map(tensor_bytes, kernel.outputs)) > sum(map(tensor_bytes, kernel.inputs))
    ]
    if pads:
        rows = sorted({count for _, count in pads}, reverse=True)
        moved_bytes = _bytes(layer for layer, _ in pads)
        yield Finding(
            code=Code.SCALE_PADDING,
            severity="info",
            message=(
                f"{_count(pads, 'kernel')} to pad the scales of activations ({format_bytes(moved_bytes)}), "
                f"because {' and '.join(map(str, rows))} rows are not a multiple of 128"
            ),
            hint=(
                "choose tokens so that the rows of a GEMM are a multiple of 128: a 256-pixel image in "
                "patches of 16 without class token has 256"
            ),
            numbers={"kernels": len(pads), "bytes": moved_bytes, "rows": rows[0]},
            layers=_names(layer for layer, _ in pads),
        )


def sparsity_not_used(evidence: Evidence) -> Iterator[Finding]:
    """2:4 sparse weights in an engine that names no sparse kernel, and whose log names no layer with one."""
    asked = evidence.sparsity_requested or (evidence.recipe is not None and evidence.recipe.sparse)
    named = any("sparse" in f"{kernel.name} {kernel.tactic_name}".lower() for kernel in evidence.kernels)
    if not asked or not evidence.compiled or named or evidence.sparse_picked:
        return
    gemms, eligible = len(evidence.gemm_kernels), evidence.sparse_eligible
    numbers: dict[str, float] = {"gemms": gemms}
    if eligible is not None:
        numbers["eligible"] = len(eligible)
    said = "" if eligible is None else f"; the build log calls {_count(eligible, 'layer')} eligible"
    yield Finding(
        code=Code.SPARSITY_NOT_USED,
        severity="warning",
        message=f"2:4 sparsity was asked for, and none of {gemms} GEMMs names a sparse kernel{said}",
        hint=_sparsity_hint(evidence),
        numbers=numbers,
        layers=eligible or (),
    )


def _sparsity_hint(evidence: Evidence) -> str:
    if "rtx" in (evidence.backend or ""):
        return "TensorRT-RTX accepts the flag and ignores it at build time: build with standard TensorRT"
    if evidence.sparse_eligible:
        return (
            "dense kernels were faster at this size: try other batches, and build with --tactic-table to see"
        )
    return "no line '(Sparsity)' of the build log names an eligible layer: are the weights 2:4 (+sparse)?"


def products_not_counted(evidence: Evidence) -> Iterator[Finding]:
    """Operators whose FLOPs are unknown, such as those of other domains, and bodies of If and Loop."""
    if evidence.uncounted:
        kinds = Counter(evidence.uncounted.values())
        shown = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        yield Finding(
            code=Code.PRODUCTS_NOT_COUNTED,
            severity="warning",
            message=(
                f"{_count(evidence.uncounted, 'node')} not counted, which may multiply matrices ({shown}): "
                "FLOPs and shares in this audit leave out their work"
            ),
            hint="read shares of FLOPs as shares of what --layers lists; onnxslim may find unknown shapes",
            numbers={"nodes": len(evidence.uncounted)},
            layers=tuple(evidence.uncounted),
        )


def open_dimensions(evidence: Evidence) -> Iterator[Finding]:
    """An engine with an optimization profile: sizes of its tensors follow from those of the graph."""
    if evidence.leaves_open:
        unknown = sum(
            0 in tensor.dimensions
            for kernel in evidence.kernels
            for tensor in (*kernel.inputs, *kernel.outputs)
        )
        missed = f"; {unknown} tensors of unknown size count none" if unknown else ""
        yield Finding(
            code=Code.OPEN_DIMENSIONS,
            severity="info",
            message=(
                "the engine has an optimization profile and leaves dimensions open: FLOPs are those of the "
                f"graph at these inputs, and bytes follow from tensor to tensor{missed}"
            ),
            hint="name other inputs with --shape; build a static model for exact bytes",
            numbers={"unknown_tensors": unknown},
        )


def layers_not_read(evidence: Evidence) -> Iterator[Finding]:
    """Layers that the compiler describes in a form that is not known: their FLOPs and bytes are missing."""
    unread = [kernel for kernel in evidence.kernels if kernel.layer_type == UNKNOWN_LAYER]
    if unread:
        yield Finding(
            code=Code.LAYERS_NOT_READ,
            severity="info",
            message=(
                f"the compiler describes {len(unread)} of {len(evidence.kernels)} layers in a form that is "
                "not known: they count no FLOPs and no bytes"
            ),
            hint="read them in build.log or inspector.json, beside the engine",
            numbers={"unread": len(unread), "layers": len(evidence.kernels)},
            layers=tuple(kernel.name for kernel in unread),
        )


def flops_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """Counts of the same work that differ: then this audit has missed or doubled a layer."""
    in_graph = sum(product.flops for product in evidence.products)
    counts = {
        "the torch model": evidence.analytic_flops,
        "the engine": sum(layer.flops for layer in evidence.layers) if evidence.compiled else None,
    }
    for place, flops in counts.items():
        if flops is not None and abs(flops - in_graph) > _FLOPS_TOLERANCE * in_graph:
            yield Finding(
                code=Code.FLOPS_MISMATCH,
                severity="warning",
                message=(
                    f"{place} counts {flops / 1e9:.3f} GFLOP and the graph {in_graph / 1e9:.3f}: shares of "
                    "FLOPs in this audit are not reliable"
                ),
                hint="see with --layers which product is missing or counted twice",
                numbers={"flops": flops, "onnx_flops": in_graph},
            )


CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    gemm_fell_back,
    emulated,
    linear_not_quantized,
    head_not_quantized,
    one_operand_quantized,
    attention_not_fused,
    attention_slow_kernel,
    attention_fell_back,
    attention_not_quantized,
    fp32_activations,
    quantize_kernels,
    scale_padding,
    sparsity_not_used,
    products_not_counted,
    open_dimensions,
    layers_not_read,
    flops_mismatch,
)


def _asked_but_not_in_graph(evidence: Evidence) -> list[AuditedLayer]:
    if evidence.recipe is None or not evidence.recipe.is_quantized:
        return []
    return [
        product
        for product in evidence.products
        if product.role in LINEAR_ROLES
        and product.precision_in != asked_precision(evidence.recipe, product.role)
        and not is_mixed(product.precision_in)
    ]


def _distinct(groups: Iterable[tuple[AuditedLayer, ...]]) -> list[AuditedLayer]:
    return list({layer.name: layer for group in groups for layer in group}.values())


def _bytes(layers: Iterable[AuditedLayer]) -> int:
    return sum(layer.bytes for layer in layers)


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def _of_linear(share: float) -> str:
    return f"{share:.1%} of the FLOPs of Linear layers"


def _precisions(layers: Iterable[AuditedLayer]) -> str:
    return " and ".join(sorted({layer.precision_in for layer in layers}))


def _where(layers: Iterable[AuditedLayer]) -> str:
    """Roles of ``layers`` with their blocks: ``qkv in blocks 0-11, head``."""
    blocks: dict[str, set[int]] = {}
    for layer in layers:
        blocks.setdefault(layer.role, set()).update(() if layer.block is None else (layer.block,))
    return ", ".join(f"{role} in {_ranges(found)}" if found else role for role, found in blocks.items())


def _ranges(numbers: set[int]) -> str:
    """``{0, 1, 2, 5}`` as ``blocks 0-2, 5``."""
    ordered = sorted(numbers)
    starts = [n for n in ordered if n - 1 not in numbers]
    ends = [n for n in ordered if n + 1 not in numbers]
    runs = [str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True)]
    return f"block{'s' * (len(ordered) > 1)} {', '.join(runs)}"


def _names(layers: Iterable[AuditedLayer]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)
